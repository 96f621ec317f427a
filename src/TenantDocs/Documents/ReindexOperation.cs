using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Documents;

/// <summary>Whose documents are indexed again.</summary>
/// <param name="Tenant">The tenant.</param>
/// <param name="Language">The language that it got; what counts is the one that it has by then.</param>
internal sealed record Reindexing(Guid Tenant, string Language);

/// <summary>
/// After a tenant got another language: brings the documents that were indexed in the one before into it, in small units
/// of work beside everything else, a move of the tenant included. No version, no change of the feed: the text is the same.
/// </summary>
internal sealed class ReindexOperation(
    IDocumentRepository documents,
    TenantCatalog tenants,
    IOptions<DocumentsOptions> options,
    IOptions<CatalogOptions> catalog
) : OperationType
{
    public const string TypeName = "reindex";

    /// <summary>The operation for a tenant that gets this language.</summary>
    public static NewOperation For(Tenant tenant, string language, string actor) =>
        new(TypeName, new Reindexing(tenant.Id.Value, language), actor)
        {
            Tenant = tenant.Id,
            TenantSlug = tenant.Slug,
            Exclusive = false,
        };

    public override string Name => TypeName;

    public override bool IsLong => true;

    public override IReadOnlyList<OperationStep> Steps(Operation operation) =>
        [new IndexStep(documents, tenants, Settling)];

    // A node that does not reach the catalog writes in the language before for as long as it believes what it knows.
    private TimeSpan Settling
    {
        get
        {
            var (settling, believed) = (options.Value.LanguageSettling, catalog.Value.RouteLifetimeWithoutCatalog);
            return settling > believed ? settling : believed + TimeSpan.FromSeconds(5);
        }
    }

    private sealed class IndexStep(IDocumentRepository documents, TenantCatalog tenants, TimeSpan settling)
        : OperationStep
    {
        private const string Settled = "settled";
        private const string Indexed = "indexed";

        // A suspended or read-only tenant admits no write; it is asked again until it does.
        private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

        public override string Phase => "indexing";

        public override bool Cancellable => false;

        public override StepFailure OnFailure => StepFailure.KeepTrying;

        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            try
            {
                while (await PassAsync(context, cancellationToken) is { } found)
                {
                    if (found == 0 && context.Kept<bool>(Settled))
                    {
                        break;
                    }

                    if (found == 0)
                    {
                        context.Keep(Settled, true);
                        return StepOutcome.Wait(settling);
                    }
                }
            }
            catch (TenantUnavailableException)
            {
                return StepOutcome.Wait(Pause);
            }

            context.SetResult(new { documents = context.Kept<long>(Indexed) });
            return StepOutcome.Done;
        }

        /// <summary>Once through all documents; how many were indexed again, null when the tenant is gone.</summary>
        private async Task<int?> PassAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var id = new TenantId(context.Input<Reindexing>().Tenant);
            var total = 0;
            Guid? last = Guid.Empty;
            while (last is { } after)
            {
                // Anew each time: the language may have changed once more, and this operation must not bring back the old.
                if (await tenants.FindAsync(id, cancellationToken) is not { Status: not TenantStatus.Purged } tenant)
                {
                    return null;
                }

                (var count, last) = await documents.ReindexAsync(tenant, after, cancellationToken);
                total += count;
                context.Keep(Indexed, context.Kept<long>(Indexed) + count);
                var usage = await documents.ReadUsageAsync(tenant, cancellationToken);
                await context.ReportAsync(
                    context.Kept<long>(Indexed),
                    usage.Documents + usage.Trashed,
                    "documents",
                    cancellationToken
                );
            }

            return total;
        }
    }
}
