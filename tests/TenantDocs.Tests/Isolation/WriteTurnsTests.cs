using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Tests.Isolation;

public sealed class WriteTurnsTests
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly TenantId _tenant = new(Guid.NewGuid());
    private readonly IsolationOptions _options = new() { MaxWritesPerTenant = 2 };
    private readonly WriteTurns _turns;

    public WriteTurnsTests() => _turns = new WriteTurns(Options.Create(_options), TimeProvider.System);

    [Fact]
    public async Task So_many_go_on_at_a_time_and_the_others_in_the_order_in_which_they_came()
    {
        var (one, two) = (Enter(_tenant), Enter(_tenant));
        var (three, four) = (Enter(_tenant), Enter(_tenant));
        Assert.True(one.IsCompletedSuccessfully && two.IsCompletedSuccessfully);
        Assert.False(three.IsCompleted || four.IsCompleted);

        (await one).Dispose();
        (await three).Dispose();
        await four;

        // Two hold their turns again: nobody was counted twice, or not at all.
        var five = Enter(_tenant);
        Assert.False(five.IsCompleted);
        (await two).Dispose();
        await five;
    }

    [Fact]
    public void A_tenant_does_not_wait_for_another()
    {
        Assert.True(Enter(_tenant).IsCompletedSuccessfully && Enter(_tenant).IsCompletedSuccessfully);
        Assert.False(Enter(_tenant).IsCompleted);
        Assert.True(Enter(new TenantId(Guid.NewGuid())).IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Who_gives_up_is_passed_over()
    {
        var (one, _) = (Enter(_tenant), Enter(_tenant));
        using var leaving = new CancellationTokenSource();
        var gone = _turns.EnterAsync(_tenant, leaving.Token).AsTask();
        var patient = Enter(_tenant);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);

        (await one).Dispose();

        await patient;
    }

    [Fact]
    public async Task Nobody_waits_longer_than_for_a_connection()
    {
        var one = Enter(_tenant);
        _ = Enter(_tenant);
        _options.ConnectionTimeout = TimeSpan.FromMilliseconds(50);

        var exception = await Assert.ThrowsAsync<ConnectionBudgetException>(() => Enter(_tenant));
        Assert.Contains("All 2 writes of the tenant", exception.Message, StringComparison.Ordinal);

        // The turn that it did not take goes to the next one.
        _options.ConnectionTimeout = TimeSpan.FromMinutes(1);
        var next = Enter(_tenant);
        (await one).Dispose();
        await next;
    }

    private Task<WriteTurn> Enter(TenantId tenant) => _turns.EnterAsync(tenant, Never).AsTask();
}
