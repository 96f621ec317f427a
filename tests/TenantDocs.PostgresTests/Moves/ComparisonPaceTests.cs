using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>The comparison of both sides gives way to others, as the copy does.</summary>
public sealed class ComparisonPaceTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_comparison_rests_while_the_servers_answer_late_and_not_while_they_do_not(bool late)
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await Platform.Sessions.WriteAsync(
            tenant,
            async (session, token) =>
            {
                // Small rows: a piece of them is over before there would be a rest after it alone.
                await using var batch = session
                    .CreateBatch()
                    .Add(
                        "INSERT INTO document_changes SELECT $1, n, 'created', $1, 1, now(), 'w' FROM generate_series(1, 20000) AS n",
                        SqlValue.Of(tenant.Id.Value)
                    );
                return await batch.ExecuteAsync(token);
            },
            TestContext.Current.CancellationToken
        );
        var clock = new CountingClock();
        await using var pacer = new SourcePacer(clock);
        pacer.Answered(late);
        await using var one = await Platform.OpenAsync(tenant, SessionRole.Mover);
        await using var two = await Platform.OpenAsync(tenant, SessionRole.Mover);
        await using var left = await one.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using var right = await two.BeginTransactionAsync(TestContext.Current.CancellationToken);
        var tables = await MoveTables.ReadAsync(one, tenant.Placement.Schema, TestContext.Current.CancellationToken);

        var compared = await ContentVerifier.CompareAsync(
            one,
            tables,
            two,
            tables,
            tenant.Id,
            exclusive: false,
            pacer,
            _ => Task.CompletedTask,
            TestContext.Current.CancellationToken
        );

        Assert.All(compared, t => Assert.True(t.Equal));
        Assert.Equal(20_000, compared.Single(t => t.Name == "document_changes").Rows);
        Assert.Equal(late, clock.Rests > 0);
    }

    private sealed class CountingClock : TimeProvider
    {
        private int _rests;

        public int Rests => _rests;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Interlocked.Increment(ref _rests);
            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}
