using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>Which tier a tenant gets where it is.</summary>
/// <param name="Tenant">Whose.</param>
/// <param name="From">The tier that it has.</param>
/// <param name="To">The tier that it gets.</param>
/// <param name="DryRun">Only say so.</param>
internal sealed record TierChange(Guid Tenant, string From, string To, bool DryRun);

/// <summary>
/// A tenant gets a tier whose home is the one that it has: its limits and features change, nothing moves. An operation
/// all the same, so that whoever asks for a tier gets one kind of answer, and none changes it under a move.
/// </summary>
internal sealed class TierChangeOperation : OperationType
{
    public const string TypeName = "tierChange";

    public static NewOperation For(Tenant tenant, string tier, bool dryRun, string actor) =>
        new(TypeName, new TierChange(tenant.Id.Value, tenant.Tier, tier, dryRun), actor)
        {
            Tenant = tenant.Id,
            TenantSlug = tenant.Slug,
            Exclusive = !dryRun,
        };

    public override string Name => TypeName;

    public override IReadOnlyList<OperationStep> Steps(Operation operation) => [new ChangeStep()];

    private sealed class ChangeStep : OperationStep
    {
        private const string ChangeSql = """
            UPDATE tenants SET tier = $2, version = version + 1, updated_at = now() WHERE id = $1 AND tier <> $2
            """;

        public override string Phase => "changing";

        public override bool Cancellable => false;

        public override Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var change = context.Input<TierChange>();
            if (!change.DryRun)
            {
                context.OnCompletion.Add(ChangeSql, SqlValue.Of(change.Tenant), SqlValue.Of(change.To));
            }

            context.SetResult(
                new
                {
                    tier = change.To,
                    previousTier = change.From,
                    dryRun = change.DryRun,
                }
            );
            return Task.FromResult(StepOutcome.Done);
        }
    }
}
