using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using TenantDocs.Api.Http;
using TenantDocs.Catalog;

namespace TenantDocs.Tests.Http;

public class CursorsTests
{
    private static readonly TenantId Tenant = TenantId.Create(DateTimeOffset.UnixEpoch);
    private static readonly CursorScope Scope = new(Tenant, "documents", "sort=title");
    private readonly Cursors _cursors = new(_ => Task.FromResult(new byte[32]));

    [Fact]
    public void What_was_written_is_read_again() =>
        Prop.ForAll<string[]>(texts =>
            {
                // Half a surrogate pair is no text that a sort key could be.
                var keys = texts.Select(t => (t ?? "").Replace('\uD800', ' ')).Where(IsText).ToArray();
                var cursor = Now(_cursors.WriteAsync(Scope, keys, CancellationToken.None));
                return Now(_cursors.ReadAsync(Scope, cursor, CancellationToken.None)).Value.SequenceEqual(keys);
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public async Task Every_changed_character_is_found()
    {
        var cursor = await _cursors.WriteAsync(Scope, ["2026-01-01", "id"], CancellationToken.None);
        Assert.Null((await _cursors.ReadAsync(Scope, cursor, CancellationToken.None)).Error);
        for (var i = 0; i < cursor.Length; i++)
        {
            foreach (var other in "Ab0_-")
            {
                if (other != cursor[i])
                {
                    await RefusedAsync(Scope, $"{cursor[..i]}{other}{cursor[(i + 1)..]}");
                }
            }
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("not a cursor")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAA")]
    public Task Anything_else_is_refused(string text) => RefusedAsync(Scope, text);

    [Fact]
    public async Task Added_space_and_padding_are_refused()
    {
        var cursor = await _cursors.WriteAsync(Scope, ["a"], CancellationToken.None);
        foreach (var changed in new[] { cursor + "=", cursor + " ", " " + cursor, cursor + "AAAA" })
        {
            await RefusedAsync(Scope, changed);
        }
    }

    [Fact]
    public async Task A_cursor_belongs_to_its_tenant_list_filter_and_platform()
    {
        var cursor = await _cursors.WriteAsync(Scope, ["a"], CancellationToken.None);
        await RefusedAsync(Scope with { Tenant = TenantId.Create(DateTimeOffset.UnixEpoch) }, cursor);
        await RefusedAsync(Scope with { Tenant = null }, cursor);
        await RefusedAsync(Scope with { List = "versions" }, cursor);
        await RefusedAsync(Scope with { Query = "sort=createdAt" }, cursor);
        var elsewhere = new Cursors(_ => Task.FromResult(RandomNumberGenerator.GetBytes(32)));
        Assert.NotNull((await elsewhere.ReadAsync(Scope, cursor, CancellationToken.None)).Error);
    }

    private async Task RefusedAsync(CursorScope scope, string cursor) =>
        Assert.Equal("invalid-cursor", (await _cursors.ReadAsync(scope, cursor, CancellationToken.None)).Error?.Code);

    private static bool IsText(string text) => !text.Any(char.IsSurrogate);

    private static T Now<T>(ValueTask<T> task) =>
        task.IsCompleted ? task.Result : task.AsTask().GetAwaiter().GetResult();
}
