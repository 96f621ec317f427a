namespace TenantDocs.Catalog;

/// <summary>The identity of a tenant: a UUIDv7 that never changes, whatever its slug or placement. Never empty.</summary>
public readonly record struct TenantId
{
    /// <summary>Wraps an existing id.</summary>
    /// <exception cref="ArgumentException">The id is the empty UUID.</exception>
    public TenantId(Guid value)
    {
        if (value == Guid.Empty)
        {
            throw new ArgumentException("A tenant id is never the empty UUID.", nameof(value));
        }

        Value = value;
    }

    /// <summary>The UUID.</summary>
    public Guid Value { get; }

    /// <summary>A new id whose order follows <paramref name="now"/>.</summary>
    public static TenantId Create(DateTimeOffset now) => new(Guid.CreateVersion7(now));

    /// <summary>Lower-case hyphenated form.</summary>
    public override string ToString() => Value.ToString();
}
