using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Cli.Catalog;
using TenantDocs.Documents;
using TenantDocs.Import;

namespace TenantDocs.Cli.Import;

/// <summary><c>tenantdocs import</c></summary>
internal static class ImportCommand
{
    private static readonly Argument<string> Folder = new("folder")
    {
        Description = "Read with all folders below it: .md .markdown .txt .text .html .htm, in UTF-8.",
    };

    private static readonly Option<string> Tenant = new("--tenant", "-t")
    {
        Description = "The tenant's slug.",
        Required = true,
        HelpName = "slug",
    };

    private static readonly Option<string?> Source = new("--source")
    {
        Description = "Name of the source, part of each document's identity. Default: the folder's name.",
        HelpName = "name",
    };

    private static readonly Option<string[]> Tag = new("--tag")
    {
        Description = "A tag for every document, beside those of its front matter. May be repeated.",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<Guid?> Collection = new("--collection")
    {
        Description = "The collection that every document is put in.",
        HelpName = "id",
    };

    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Read and compare, write nothing." };

    private static readonly Option<bool> Force = new("--force")
    {
        Description =
            "Also write documents whose files did not change, and bring back those that people put into the trash.",
    };

    private static readonly Option<bool> Prune = new("--prune")
    {
        Description = "Put documents of this source whose files are gone into the trash.",
    };

    private static readonly Option<bool> SkipUnreadable = new("--skip-unreadable")
    {
        Description = "Exit with 0 although files were skipped; they are reported all the same.",
    };

    private static readonly Option<int> Batch = Count("--batch", "Documents per transaction.", 100);
    private static readonly Option<int> Parallel = Count(
        "--parallel",
        "Transactions at a time; with more than one the documents' times no longer follow the order of their paths.",
        1
    );

    public static CliCommand Create() =>
        new CliCommand(
            "import",
            "Imports a folder into a tenant. Running it again goes on where it was stopped, updates what changed and doubles nothing."
        )
        {
            Examples =
            [
                "tenantdocs import ./handbook --tenant acme",
                "tenantdocs import ./handbook --tenant acme --source handbook --tag imported --prune",
                "tenantdocs import ./handbook --tenant acme --dry-run -o json",
            ],
        }
            .With(Folder, Tenant, Source, Tag, Collection, DryRun, Force, Prune, SkipUnreadable, Batch, Parallel)
            .Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken cancellationToken)
    {
        var import = Read(run);
        var platform = await run.OpenAsync(cancellationToken);
        var tenant = await platform
            .GetRequiredService<TenantCatalog>()
            .NeedAsync(run.Value(Tenant)!, cancellationToken);
        using var progress = ImportProgressView.On(run.Terminal);
        ImportReport report;
        try
        {
            report = await platform
                .GetRequiredService<FolderImport>()
                .RunAsync(tenant, import, progress, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            progress.Dispose();
            run.Terminal.Say(
                $"Stopped after {progress.Last.Files} of {progress.Last.TotalFiles} files. Every batch that was written is whole; "
                    + "run the same command again to go on."
            );
            return ExitCode.Cancelled;
        }

        progress.Dispose();
        ImportReportView.Write(run.Terminal, tenant, import, report);
        return report.Stopped is not null || (report.Skipped.Count > 0 && !run.Value(SkipUnreadable))
            ? ExitCode.Failed
            : ExitCode.Done;
    }

    private static ImportOptions Read(Invocation run)
    {
        var folder = run.Value(Folder);
        if (!Directory.Exists(folder))
        {
            throw new CommandException($"There is no folder '{folder}'. Nothing was imported.", ExitCode.Usage);
        }

        var tags = DocumentRules.TidyTags(run.Value(Tag)!);
        if (DocumentRules.TagsFault(tags) is { } fault)
        {
            throw new CommandException($"--tag: {fault} Nothing was imported.", ExitCode.Usage);
        }

        return new ImportOptions
        {
            Folder = folder,
            Source = run.Value(Source) ?? "",
            Tags = tags,
            CollectionId = run.Value(Collection),
            DryRun = run.Value(DryRun),
            Force = run.Value(Force),
            Prune = run.Value(Prune),
            Batch = run.Value(Batch),
            Parallel = run.Value(Parallel),
        };
    }

    private static Option<int> Count(string name, string description, int usual)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => usual };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 1000)
            {
                result.AddError($"{name} takes a number from 1 to 1000.");
            }
        });
        return option;
    }
}
