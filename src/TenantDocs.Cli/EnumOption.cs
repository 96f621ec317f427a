using System.CommandLine;
using TenantDocs.Catalog;

namespace TenantDocs.Cli;

/// <summary>Options whose values are the camelCase names of an enumeration.</summary>
internal static class EnumOption
{
    public static Option<string?> Of<T>(string name, string description)
        where T : struct, Enum
    {
        var names = Enum.GetValues<T>().Select(v => v.ToText()).ToArray();
        var option = new Option<string?>(name) { Description = description, HelpName = string.Join('|', names) };
        option.AcceptOnlyFromAmong(names);
        return option;
    }

    public static T? Parse<T>(string? text)
        where T : struct, Enum => text is null ? null : CatalogText.Parse<T>(text);
}
