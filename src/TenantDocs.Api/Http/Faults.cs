namespace TenantDocs.Api.Http;

/// <summary>Faults by field, gathered while a request is read. Costs nothing while there are none.</summary>
internal struct Faults
{
    private Dictionary<string, string[]>? _byField;

    public void Add(string field, string fault)
    {
        _byField ??= new Dictionary<string, string[]>(StringComparer.Ordinal);
        _byField[field] = _byField.TryGetValue(field, out var earlier) ? [.. earlier, fault] : [fault];
    }

    /// <summary>Null when there are none.</summary>
    public readonly Error? ToError() =>
        _byField is null
            ? null
            : new Error(ErrorKind.Invalid, "validation-failed", "The request has faults; nothing was changed.")
            {
                Errors = _byField,
            };
}
