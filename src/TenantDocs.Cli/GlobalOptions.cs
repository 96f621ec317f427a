using System.CommandLine;

namespace TenantDocs.Cli;

/// <summary>Options that every command has.</summary>
internal static class GlobalOptions
{
    public const string Table = "table";
    public const string Json = "json";

    public static readonly Option<string?> Catalog = new("--catalog")
    {
        Description =
            "Connection string of the catalog's administrator. Default: ConnectionStrings__Catalog or appsettings.json, "
            + "else the embedded PostgreSQL that runs here.",
        HelpName = "connection string",
        Recursive = true,
    };

    public static readonly Option<string?> DataFolder = new("--data-folder")
    {
        Description =
            "Folder of the embedded PostgreSQL. Default: LocalPostgres__DataFolder, else .tenantdocs here or above.",
        HelpName = "folder",
        Recursive = true,
    };

    public static readonly Option<string> Output = Form();

    public static readonly Option<bool> NoColor = new("--no-color")
    {
        Description = "No colours; also when NO_COLOR is set or the output is no terminal.",
        Recursive = true,
    };

    public static IEnumerable<Option> All => [Catalog, DataFolder, Output, NoColor];

    private static Option<string> Form()
    {
        var option = new Option<string>("--output", "-o")
        {
            Description = "table for people, json for programs.",
            DefaultValueFactory = _ => Table,
            Recursive = true,
        };
        option.AcceptOnlyFromAmong(Table, Json);
        return option;
    }
}
