using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>A dry run: looks at both sides and says what a move would do.</summary>
internal sealed class MovePlanOperation(MoveTools tools) : OperationType
{
    public const string TypeName = "movePlan";

    public override string Name => TypeName;

    public override IReadOnlyList<OperationStep> Steps(Operation operation) => [new LookStep(tools)];

    private sealed class LookStep(MoveTools tools) : OperationStep
    {
        public override string Phase => "planned";

        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var leg = context.Input<MoveLeg>();
            var tenant = await tools.Catalog.FindAsync(leg.TenantId, cancellationToken);
            context.SetResult(await tools.Planner.PlanAsync(leg, tenant!, own: null, cancellationToken));
            return StepOutcome.Done;
        }
    }
}
