namespace TenantDocs.Documents;

/// <summary>What may be done to a document that exists. The rules are here, without a database.</summary>
public abstract record DocumentChange
{
    private protected DocumentChange() { }

    /// <summary>Every change but <see cref="Restore"/> must name the version that its author saw.</summary>
    internal virtual bool NeedsPrecondition => true;

    /// <summary>Null when the document is where the change can reach it.</summary>
    internal virtual Error? Reach(Document current) => current.DeletedAt is null ? null : Error.NotFound;

    internal abstract Result<Document?> Next(DocumentMoment moment);

    /// <summary>Takes the whole content of <paramref name="Fields"/>.</summary>
    public sealed record Replace(DocumentFields Fields) : DocumentChange
    {
        internal override Result<Document?> Next(DocumentMoment moment) => moment.With(Fields.ToContent());
    }

    /// <summary>Merges <paramref name="Fields"/> into the content (RFC 7396). Changing nothing makes no version.</summary>
    public sealed record Patch(DocumentFields Fields) : DocumentChange
    {
        internal override Result<Document?> Next(DocumentMoment moment) =>
            moment.With(Fields.Apply(moment.Current.Content));
    }

    /// <summary>To the trash.</summary>
    public sealed record Delete : DocumentChange
    {
        internal override Result<Document?> Next(DocumentMoment moment)
        {
            var next = moment.Successor();
            return next with { DeletedAt = next.UpdatedAt };
        }
    }

    /// <summary>Back from the trash.</summary>
    public sealed record Restore : DocumentChange
    {
        internal override bool NeedsPrecondition => false;

        internal override Error? Reach(Document current) =>
            current.DeletedAt is not null
                ? null
                : new Error(ErrorKind.Conflict, "not-deleted", "The document is not in the trash.");

        internal override Result<Document?> Next(DocumentMoment moment) => moment.Successor() with { DeletedAt = null };
    }

    /// <summary>Out of the trash for good, with all versions.</summary>
    public sealed record Purge : DocumentChange
    {
        internal override Error? Reach(Document current) => current.DeletedAt is null ? Error.NotFound : null;

        internal override Result<Document?> Next(DocumentMoment moment) => default(Result<Document?>);
    }

    /// <summary>The content of an earlier version becomes a new version; the ones between stay.</summary>
    public sealed record RestoreVersion(long Version) : DocumentChange
    {
        internal override Result<Document?> Next(DocumentMoment moment) =>
            moment.Earlier is { } earlier ? moment.Successor() with { Content = earlier } : Error.NotFound;
    }
}

/// <summary>What a change is computed from.</summary>
/// <param name="Current">The document as it is.</param>
/// <param name="Earlier">The content of the version that is to be restored, if there is one.</param>
/// <param name="Actor">Who changes it.</param>
/// <param name="Now">When.</param>
/// <param name="MaxBodyBytes">The limit of the body.</param>
internal sealed record DocumentMoment(
    Document Current,
    DocumentContent? Earlier,
    string Actor,
    DateTimeOffset Now,
    int MaxBodyBytes
)
{
    /// <summary>
    /// The next version with nothing changed. Its time is after the one before, even when the clock is not, so that every
    /// moment of the past has exactly one version.
    /// </summary>
    public Document Successor()
    {
        var now = DocumentRules.Microseconds(Now);
        var least = Current.UpdatedAt.AddMicroseconds(1);
        return Current with { Version = Current.Version + 1, UpdatedAt = now > least ? now : least, UpdatedBy = Actor };
    }

    public Result<Document?> With(Result<DocumentContent> content)
    {
        if (content.Error is { } fault)
        {
            return fault;
        }

        if (DocumentRules.Judge(content.Value, MaxBodyBytes) is { } error)
        {
            return error;
        }

        return content.Value.Equals(Current.Content) ? Current : Successor() with { Content = content.Value };
    }
}

/// <summary>A change that was computed and is to be written.</summary>
internal sealed record DocumentStep(Document? Before, Document? After, DocumentChangeType Type, DateTimeOffset At)
{
    public bool IsNothing => ReferenceEquals(Before, After);

    /// <summary>The document that the answer shows: the new version, or the last one of a purged document.</summary>
    public Document Subject => (After ?? Before)!;

    public long Documents => Live(After) - Live(Before);

    public long Trashed => InTrash(After) - InTrash(Before);

    public long Bytes => BytesOf(After) - BytesOf(Before);

    public long Versions => (After?.Version ?? 0) - (Before?.Version ?? 0);

    public static DocumentStep Born(Guid id, DocumentContent content, string actor, DateTimeOffset now)
    {
        var at = DocumentRules.Microseconds(now);
        var document = new Document
        {
            Id = id,
            Content = content,
            Version = 1,
            CreatedAt = at,
            CreatedBy = actor,
            UpdatedAt = at,
            UpdatedBy = actor,
        };
        return new DocumentStep(null, document, DocumentChangeType.Created, at);
    }

    public static Result<DocumentStep> Of(DocumentChange change, DocumentMoment moment)
    {
        var next = change.Next(moment);
        if (next.Error is { } error)
        {
            return error;
        }

        var type = change switch
        {
            DocumentChange.Delete => DocumentChangeType.Deleted,
            DocumentChange.Restore => DocumentChangeType.Restored,
            DocumentChange.Purge => DocumentChangeType.Purged,
            _ => DocumentChangeType.Updated,
        };
        return new DocumentStep(moment.Current, next.Value, type, moment.Now);
    }

    /// <summary>Its line of the change feed; the number is taken when it is written.</summary>
    public DocumentFeedItem FeedItem(string actor) =>
        new(0, Type, Subject.Id, Subject.Version, After?.UpdatedAt ?? DocumentRules.Microseconds(At), actor);

    private static long Live(Document? document) => document is { DeletedAt: null } ? 1 : 0;

    private static long InTrash(Document? document) => document is { DeletedAt: not null } ? 1 : 0;

    private static long BytesOf(Document? document) => document is null ? 0 : DocumentRules.BytesOf(document.Content);
}
