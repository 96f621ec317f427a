using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>One-statement units of work through the front door.</summary>
internal static class SessionExtensions
{
    public static async Task<Guid> WriteDocumentAsync(
        this TenantSessions sessions,
        Tenant tenant,
        string title = "title"
    )
    {
        var id = Guid.CreateVersion7();
        await sessions.WriteAsync(
            tenant,
            async (session, cancellation) =>
            {
                await using var batch = session
                    .CreateBatch()
                    .Add(
                        AttackGround.InsertDocument,
                        SqlValue.Of(tenant.Id.Value),
                        SqlValue.Of(id),
                        SqlValue.Of(title)
                    );
                return await batch.ExecuteAsync(cancellation);
            },
            CancellationToken.None
        );
        return id;
    }

    /// <summary>How many documents the tenant sees under this id.</summary>
    public static Task<long> CountAsync(this TenantSessions sessions, Tenant tenant, Guid id) =>
        sessions.AskAsync<long>(tenant, "SELECT count(*) FROM documents WHERE id = $1", SqlValue.Of(id));

    /// <summary>The first column of the first row.</summary>
    public static Task<T> AskAsync<T>(
        this TenantSessions sessions,
        Tenant tenant,
        string sql,
        params NpgsqlParameter[] parameters
    ) =>
        sessions.ReadAsync(
            tenant,
            async (session, cancellation) =>
            {
                // A parameter belongs to one command only, and a unit of work may run twice.
                await using var batch = session.CreateBatch().Add(sql, [.. parameters.Select(p => p.Clone())]);
                await using var reader = await batch.ReadAsync(cancellation);
                await reader.ReadAsync(cancellation);
                return reader.GetFieldValue<T>(0);
            },
            CancellationToken.None
        );
}
