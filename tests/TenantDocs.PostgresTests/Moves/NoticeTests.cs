using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>A target that has much to say to the mover.</summary>
public sealed class NoticeTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    /// <summary>The server has a notice for each such word, and nobody reads what it says while a copy is written.</summary>
    [Fact]
    public async Task Words_that_are_too_long_to_be_indexed_do_not_stop_the_copy()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 1, readers: 1);
        await workload.AdvanceAsync(5);
        await Platform.Sessions.WriteAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session
                    .CreateBatch()
                    .Add(
                        """
                        INSERT INTO documents (tenant_id, id, title, body, content_type, status, tags, metadata, language, bytes,
                                               version, created_at, created_by, updated_at, updated_by)
                        SELECT $1, gen_random_uuid(), 't', (SELECT string_agg(repeat('x', 2100), ' ') FROM generate_series(1, 400)),
                               '', 'draft', '{}', '{}', 'simple', 0, 1, now(), 'w', now(), 'w'
                          FROM generate_series(1, 20)
                        """,
                        SqlValue.Of(tenant.Id.Value)
                    );
                return await batch.ExecuteAsync(token);
            },
            CancellationToken.None
        );

        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Database, Server = Second });

        Succeeded(move);
        await workload.AdvanceAsync(5);
        await workload.JudgeAsync();
        await OneHomeAsync(tenant.Id);
        await FinalizeAsync(move.Id);
        await NothingLeaksAsync();
    }
}
