using System.Text.RegularExpressions;

namespace TenantDocs.Database;

/// <summary>
/// A name that may reach SQL text: lower-case letters, digits and underscores, at most 63 bytes, not starting with a digit.
/// It needs no quoting, cannot be cut, folded or taken for a list, and is quoted all the same.
/// </summary>
public readonly partial record struct PgIdentifier
{
    /// <summary>Wraps a name.</summary>
    /// <exception cref="ArgumentException">The name has any other form.</exception>
    public PgIdentifier(string name)
    {
        if (name is null || !Form().IsMatch(name))
        {
            throw new ArgumentException("A PostgreSQL name here is ^[a-z_][a-z0-9_]{0,62}$.", nameof(name));
        }

        Name = name;
    }

    /// <summary>The bare name.</summary>
    public string Name { get; }

    /// <summary>The name in double quotes, for SQL text.</summary>
    public string Quoted => $"\"{Name}\"";

    /// <summary>The bare name.</summary>
    public override string ToString() => Name;

    [GeneratedRegex("^[a-z_][a-z0-9_]{0,62}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
