using System.Text.Json;

namespace TenantDocs.Documents;

/// <summary>
/// The fields of a document that a client sent, absent and null kept apart: a whole document (<see cref="ToContent"/>)
/// or a merge patch (<see cref="Apply"/>, RFC 7396).
/// </summary>
public sealed class DocumentFields
{
    private static readonly string[] ReadOnlyNames =
    [
        "id",
        "version",
        "createdAt",
        "createdBy",
        "updatedAt",
        "updatedBy",
        "deletedAt",
        "purgeAt",
        "etag",
    ];

    private readonly Dictionary<string, string[]> _faults = new(StringComparer.Ordinal);
    private Field<string> _title;
    private Field<string> _body;
    private Field<string> _contentType;
    private Field<string> _status;
    private Field<Guid?> _collectionId;
    private Field<IReadOnlyList<string>> _tags;
    private Field<JsonElement> _metadata;

    private DocumentFields() { }

    /// <summary>Reads the fields; the error names every wrong type, unknown and read-only field.</summary>
    public static Result<DocumentFields> Parse(JsonElement root)
    {
        var fields = new DocumentFields();
        if (root.ValueKind is not JsonValueKind.Object)
        {
            return Error.Invalid("", "A JSON object is needed.");
        }

        foreach (var member in root.EnumerateObject())
        {
            try
            {
                fields.Read(member.Name, member.Value);
            }
            catch (InvalidOperationException)
            {
                // What GetString and Name throw for an escaped half of a surrogate pair.
                return Error.Invalid("", "Half of a surrogate pair is not Unicode text.");
            }
        }

        return fields._faults.Count == 0 ? fields : fields.Faulty();
    }

    /// <summary>The fields as a whole document; what is absent or null takes its default.</summary>
    public Result<DocumentContent> ToContent()
    {
        Need("title", _title);
        Need("body", _body);
        var metadata = DocumentRules.EmptyMetadata;
        if (_metadata is { Value.ValueKind: not (JsonValueKind.Undefined or JsonValueKind.Null) })
        {
            metadata = Checked(DocumentMetadata.Compact(_metadata.Value));
        }

        return _faults.Count > 0
            ? Faulty()
            : new DocumentContent
            {
                Title = _title.Value!,
                Body = _body.Value!,
                ContentType = _contentType.Value ?? DocumentRules.DefaultContentType,
                Status = _status.Value ?? DocumentRules.DefaultStatus,
                CollectionId = _collectionId.Value,
                Tags = _tags.Value ?? [],
                Metadata = metadata,
            };
    }

    /// <summary>The content after the patch: absent keeps, null empties (a title or body cannot be emptied so).</summary>
    public Result<DocumentContent> Apply(DocumentContent current)
    {
        var metadata = current.Metadata;
        if (_metadata.Present)
        {
            metadata =
                _metadata.Value.ValueKind is JsonValueKind.Null
                    ? DocumentRules.EmptyMetadata
                    : Checked(DocumentMetadata.Merge(current.Metadata, _metadata.Value));
        }

        return _faults.Count > 0
            ? Faulty()
            : new DocumentContent
            {
                Title = _title.Present ? _title.Value! : current.Title,
                Body = _body.Present ? _body.Value : current.Body,
                ContentType = _contentType.Present
                    ? _contentType.Value ?? DocumentRules.DefaultContentType
                    : current.ContentType,
                Status = _status.Present ? _status.Value ?? DocumentRules.DefaultStatus : current.Status,
                CollectionId = _collectionId.Present ? _collectionId.Value : current.CollectionId,
                Tags = _tags.Present ? _tags.Value ?? [] : current.Tags,
                Metadata = metadata,
            };
    }

    private void Read(string name, JsonElement value)
    {
        switch (name)
        {
            case "title":
                _title = Text(name, value, nullable: false);
                break;
            case "body":
                _body = Text(name, value, nullable: false);
                break;
            case "contentType":
                _contentType = Text(name, value, nullable: true);
                break;
            case "status":
                _status = Text(name, value, nullable: true);
                break;
            case "collectionId":
                _collectionId = new(true, Collection(value));
                break;
            case "tags":
                _tags = new(true, Tags(value));
                break;
            case "metadata":
                // A copy: the fields outlive the document that they were read from.
                _metadata = new(true, value.Clone());
                if (value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Null))
                {
                    _faults[name] = ["An object is needed."];
                }

                break;
            default:
                _faults[name] = [ReadOnlyNames.Contains(name) ? "This field is read-only." : "This field is unknown."];
                break;
        }
    }

    private Field<string> Text(string name, JsonElement value, bool nullable)
    {
        if (value.ValueKind is JsonValueKind.String)
        {
            return new(true, value.GetString());
        }

        if (value.ValueKind is not JsonValueKind.Null || !nullable)
        {
            _faults[name] = [nullable ? "Text or null is needed." : "Text is needed."];
        }

        return new(true, null);
    }

    private Guid? Collection(JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.Null)
        {
            return null;
        }

        if (value.ValueKind is JsonValueKind.String && Guid.TryParseExact(value.GetString(), "D", out var id))
        {
            return id;
        }

        _faults["collectionId"] = ["A UUID or null is needed."];
        return null;
    }

    private IReadOnlyList<string> Tags(JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.Null)
        {
            return [];
        }

        if (
            value.ValueKind is JsonValueKind.Array
            && value.EnumerateArray().All(t => t.ValueKind is JsonValueKind.String)
        )
        {
            return DocumentRules.TidyTags(value.EnumerateArray().Select(t => t.GetString()!));
        }

        _faults["tags"] = ["A list of texts is needed."];
        return [];
    }

    private void Need(string name, Field<string> field)
    {
        if (field.Value is null)
        {
            _faults.TryAdd(name, ["This field is needed."]);
        }
    }

    private string Checked((string? Text, string? Fault) metadata)
    {
        if (metadata.Fault is not null)
        {
            _faults["metadata"] = [metadata.Fault];
        }

        return metadata.Text ?? DocumentRules.EmptyMetadata;
    }

    private Error Faulty() =>
        new(ErrorKind.Invalid, "validation-failed", "The document has faults; nothing was changed.")
        {
            Errors = _faults,
        };

    private readonly record struct Field<T>(bool Present, T? Value);
}
