using TenantDocs.Documents;

namespace TenantDocs.Import;

/// <summary>What is to be done with a file's document.</summary>
internal enum ImportAction
{
    Create,
    Update,

    /// <summary>The file is unchanged; only a tag or the collection that the command asks for is missing.</summary>
    Touch,

    /// <summary>An earlier import had put it into the trash; its file is back.</summary>
    Restore,
    Leave,

    /// <summary>People had put it into the trash.</summary>
    LeaveInTrash,
}

/// <summary>A file, its document as it is now, and what follows from the two.</summary>
internal sealed record ImportEdit(ImportFile File, Document? Before, ImportAction Action)
{
    public bool Writes => Action is not (ImportAction.Leave or ImportAction.LeaveInTrash);

    public static ImportEdit For(ImportFile file, Document? before, ImportOptions import) =>
        new(file, before, Decide(file, before, import));

    public DocumentEdit ToDocumentEdit(ImportOptions import) =>
        new(
            File.Id,
            Before,
            Before is not { Content: var old } ? File.Content
                : Action is ImportAction.Touch
                    ? old with
                    {
                        Tags = DocumentRules.TidyTags(old.Tags.Concat(import.Tags)),
                        CollectionId = import.CollectionId ?? old.CollectionId,
                    }
                : File.Content with
                {
                    Status = File.SaysStatus ? File.Content.Status : old.Status,
                    CollectionId = import.CollectionId ?? old.CollectionId,
                }
        );

    private static ImportAction Decide(ImportFile file, Document? before, ImportOptions import)
    {
        if (before is null)
        {
            return ImportAction.Create;
        }

        if (before.DeletedAt is not null)
        {
            return import.Force || before.UpdatedBy == import.Actor ? ImportAction.Restore : ImportAction.LeaveInTrash;
        }

        if (import.Force || ImportOrigin.Read(before)?.Hash != file.Hash)
        {
            return ImportAction.Update;
        }

        var fits =
            import.Tags.All(t => before.Content.Tags.Contains(t.Trim()))
            && (import.CollectionId is null || import.CollectionId == before.Content.CollectionId);
        return fits ? ImportAction.Leave : ImportAction.Touch;
    }
}
