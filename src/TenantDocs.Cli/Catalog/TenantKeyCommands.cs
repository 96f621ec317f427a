using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;

namespace TenantDocs.Cli.Catalog;

/// <summary><c>tenantdocs tenant key …</c></summary>
internal static class TenantKeyCommands
{
    private static readonly string[] Roles = ["owner", "admin", "editor", "viewer"];

    public static CliCommand Create() =>
        new("key", "A tenant's API keys: create, list, revoke.") { New(), List(), Revoke() };

    private static CliCommand New()
    {
        var slug = TenantCommands.Slug();
        var name = new Option<string>("--name")
        {
            Description = "For people.",
            DefaultValueFactory = _ => "command line",
        };
        var role = new Option<string>("--role")
        {
            Description = "What it may do.",
            DefaultValueFactory = _ => "editor",
        };
        role.AcceptOnlyFromAmong(Roles);
        var expires = new Option<TimeSpan?>("--expires-in")
        {
            Description = "After how long it is refused, days.hours:minutes:seconds. Default: never.",
            HelpName = "time",
        };
        return new CliCommand("create", "Makes a key and shows it, this once.")
        {
            Examples = ["tenantdocs tenant key create acme --role viewer --name reports --expires-in 30.00:00:00"],
        }
            .With(slug, name, role, expires)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var (platform, tenant) = await OpenAsync(run, slug, cancellationToken);
                    DateTimeOffset? until = run.Value(expires) is { } time
                        ? platform.GetRequiredService<TimeProvider>().GetUtcNow() + time
                        : null;
                    var (kept, key) = await run.RecordAsync<(ApiKey, string)>(
                        "createTenantKey",
                        $"/tenants/{tenant.Slug}/api-keys",
                        new { Name = run.Value(name), Role = run.Value(role) },
                        async () =>
                            await platform
                                .GetRequiredService<ApiKeys>()
                                .CreateAsync(
                                    tenant.Id,
                                    run.Value(name)!,
                                    run.Value(role)!,
                                    scopes: null,
                                    until,
                                    Operator.Name,
                                    cancellationToken
                                )
                    );
                    run.Terminal.Show(
                        new
                        {
                            kept.Id,
                            Key = key,
                            kept.Name,
                            kept.Role,
                            kept.ExpiresAt,
                        },
                        ("id", kept.Id),
                        ("key", key),
                        ("name", kept.Name),
                        ("role", kept.Role),
                        ("expires", kept.ExpiresAt)
                    );
                    run.Terminal.Say("The key is shown this once; only a hash of it is kept.");
                }
            );
    }

    private static CliCommand List()
    {
        var slug = TenantCommands.Slug();
        return new CliCommand("list", "Lists the keys, revoked ones too; never the keys themselves.")
        {
            Examples = ["tenantdocs tenant key list acme"],
        }
            .With(slug)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var (platform, tenant) = await OpenAsync(run, slug, cancellationToken);
                    var keys = await platform.GetRequiredService<ApiKeys>().ListAsync(tenant.Id, cancellationToken);
                    run.Terminal.List(
                        keys,
                        k => new
                        {
                            k.Id,
                            k.Prefix,
                            k.Name,
                            k.Role,
                            k.CreatedAt,
                            k.CreatedBy,
                            k.ExpiresAt,
                            k.LastUsedAt,
                            k.RevokedAt,
                        },
                        new("ID", k => k.Id),
                        new("PREFIX", k => k.Prefix),
                        new("NAME", k => k.Name),
                        new("ROLE", k => k.Role),
                        new("CREATED", k => k.CreatedAt),
                        new("LAST USED", k => k.LastUsedAt),
                        new("EXPIRES", k => k.ExpiresAt),
                        new("REVOKED", k => k.RevokedAt)
                    );
                }
            );
    }

    private static CliCommand Revoke()
    {
        var slug = TenantCommands.Slug();
        var id = new Argument<Guid>("id") { Description = "The key's id." };
        return new CliCommand("revoke", "Refuses a key from now on, on every node within 2 seconds.")
        {
            Examples = ["tenantdocs tenant key revoke acme 0190b2f4-6c1d-7c3e-9a55-0f1d2c3b4a59"],
        }
            .With(slug, id)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var (platform, tenant) = await OpenAsync(run, slug, cancellationToken);
                    var keys = platform.GetRequiredService<ApiKeys>();
                    await run.RecordAsync<bool>(
                        "revokeTenantKey",
                        $"/tenants/{tenant.Slug}/api-keys/{run.Value(id)}",
                        new { },
                        async () =>
                            await keys.RevokeAsync(tenant.Id, run.Value(id), cancellationToken)
                                ? true
                                : NoSuchKey(tenant)
                    );
                    run.Terminal.Say($"Key {run.Value(id)} of '{tenant.Slug}' is revoked.");
                }
            );
    }

    private static Error NoSuchKey(Tenant tenant) =>
        new(
            ErrorKind.NotFound,
            "not-found",
            $"Tenant '{tenant.Slug}' has no such key, or it was revoked before. Nothing was changed. "
                + $"See: tenantdocs tenant key list {tenant.Slug}"
        );

    private static async Task<(IServiceProvider Platform, Tenant Tenant)> OpenAsync(
        Invocation run,
        Argument<string> slug,
        CancellationToken cancellationToken
    )
    {
        var platform = await run.OpenAsync(cancellationToken);
        var catalog = platform.GetRequiredService<TenantCatalog>();
        return (platform, await catalog.NeedAsync(run.Value(slug), cancellationToken));
    }
}
