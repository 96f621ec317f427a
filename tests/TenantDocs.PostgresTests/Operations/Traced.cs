using System.Collections.Concurrent;
using Npgsql;
using TenantDocs.Operations;

namespace TenantDocs.PostgresTests.Operations;

/// <summary>How the steps of a traced operation behave.</summary>
internal sealed record TracedInput
{
    public string? FailAt { get; init; }
    public int Faults { get; init; }
    public bool Transient { get; init; }
    public string? WaitAt { get; init; }
    public string? ParkAt { get; init; }
}

/// <summary>What the steps did, in order.</summary>
internal sealed class Trace
{
    private readonly ConcurrentQueue<string> _calls = new();

    public TaskCompletionSource Waiting { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<string> Calls => [.. _calls];

    public int Faults;

    public void Add(string call) => _calls.Enqueue(call);
}

/// <summary>Three steps without an effect but the trace; the last cannot be cancelled.</summary>
internal sealed class Traced(Trace trace) : OperationType
{
    public override string Name => "traced";

    public override IReadOnlyList<OperationStep> Steps(Operation operation) =>
        [new First(trace), new Second(trace), new Last(trace)];

    private abstract class Step(Trace trace) : OperationStep
    {
        public override string Phase => GetType().Name.ToLowerInvariant();

        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var name = GetType().Name;
            var input = context.Input<TracedInput>();
            trace.Add($"do:{name}");
            if (input.FailAt == name && trace.Faults++ < input.Faults)
            {
                throw input.Transient
                    ? new NpgsqlException("gone", new IOException())
                    : new PostgresException("SELECT secret", "ERROR", "ERROR", "XX000");
            }

            if (input.ParkAt == name && !context.TryGetSignal("go", out _))
            {
                return StepOutcome.Wait(TimeSpan.FromHours(1));
            }

            if (input.WaitAt == name)
            {
                trace.Waiting.TrySetResult();
                await context.WaitForSignalAsync("go", cancellationToken);
            }

            return StepOutcome.Done;
        }

        public override Task UndoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            trace.Add($"undo:{GetType().Name}");
            return Task.CompletedTask;
        }
    }

    private sealed class First(Trace trace) : Step(trace);

    private sealed class Second(Trace trace) : Step(trace);

    private sealed class Last(Trace trace) : Step(trace)
    {
        public override bool Cancellable => false;
    }
}
