using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>Makes a tenant's home and then says in the catalog that it is active; or leaves nothing.</summary>
internal sealed class ProvisionOperation(TenantHomes homes, TimeProvider time) : OperationType
{
    public const string TypeName = "provision";

    public override string Name => TypeName;

    public override IReadOnlyList<OperationStep> Steps(Operation operation)
    {
        var input = operation.InputAs<ProvisionInput>();
        OperationStep[] create = input.Isolation switch
        {
            IsolationModel.Shared => [new CreateRows(homes)],
            IsolationModel.Schema => [new CreateSchema(homes)],
            _ => [new CreateDatabase(homes), new OpenDatabase(homes)],
        };
        return input.Again ? [new ClearLeftovers(homes), .. create] : create;
    }

    public override void OnSucceeded(OperationContext context, CatalogWrites writes)
    {
        var input = context.Input<ProvisionInput>();
        context.SetResult(new { tenant = input.Slug });
        context.Settle(OperationObject.HomeOf(input.TenantId, input.Home), kept: true);
        writes.Add(
            """
            UPDATE tenants SET status = 'active', schema_version = $2, version = version + 1, updated_at = $3
             WHERE id = $1 AND status = 'provisioning'
            """,
            SqlValue.Of(input.Tenant),
            SqlValue.Of(MigrationSet.Tenant.Latest),
            SqlValue.Of(time.GetUtcNow())
        );
    }

    public override void OnGivenUp(OperationContext context, OperationStatus status, CatalogWrites writes) =>
        writes.Add(
            """
            UPDATE tenants SET status = 'failed', version = version + 1, updated_at = $2
             WHERE id = $1 AND status = 'provisioning'
            """,
            SqlValue.Of(context.Input<ProvisionInput>().Tenant),
            SqlValue.Of(time.GetUtcNow())
        );

    /// <summary>Takes back whatever is there of the home.</summary>
    private abstract class HomeStep(TenantHomes homes) : OperationStep
    {
        protected TenantHomes Homes => homes;

        public override string Phase => "creating";

        public override async Task UndoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var input = context.Input<ProvisionInput>();
            var made = OperationObject.HomeOf(input.TenantId, input.Home);
            await homes.RemoveAsync(made, cancellationToken);
            context.Settle(made, kept: false);
        }
    }

    /// <summary>Before a second try: what the first could not take back may be of an older version.</summary>
    private sealed class ClearLeftovers(TenantHomes homes) : HomeStep(homes)
    {
        public override string Phase => "clearing";

        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var input = context.Input<ProvisionInput>();
            await Homes.RemoveAsync(OperationObject.HomeOf(input.TenantId, input.Home), cancellationToken);
            return StepOutcome.Done;
        }
    }

    private sealed class CreateRows(TenantHomes homes) : HomeStep(homes)
    {
        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var input = context.Input<ProvisionInput>();
            await Homes.OpenAsync(input.TenantId, input.Home, cancellationToken);
            return StepOutcome.Done;
        }
    }

    private sealed class CreateSchema(TenantHomes homes) : HomeStep(homes)
    {
        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var input = context.Input<ProvisionInput>();
            await Homes.CreateSchemaAsync(input.TenantId, input.Home, cancellationToken);
            return StepOutcome.Done;
        }
    }

    private sealed class CreateDatabase(TenantHomes homes) : HomeStep(homes)
    {
        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var input = context.Input<ProvisionInput>();
            await Homes.CreateDatabaseAsync(input.Home, cancellationToken);
            return StepOutcome.Done;
        }
    }

    private sealed class OpenDatabase(TenantHomes homes) : HomeStep(homes)
    {
        public override string Phase => "opening";

        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var input = context.Input<ProvisionInput>();
            await Homes.OpenAsync(input.TenantId, input.Home, cancellationToken);
            return StepOutcome.Done;
        }

        // The database goes with the step before.
        public override Task UndoAsync(OperationContext context, CancellationToken cancellationToken) =>
            Task.CompletedTask;
    }
}
