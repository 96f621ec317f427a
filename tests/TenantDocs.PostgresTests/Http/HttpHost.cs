using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Http;

/// <summary>All tests of the room share one host.</summary>
[CollectionDefinition]
public sealed class OneHttpHost : ICollectionFixture<HttpHost>;

/// <summary>The real host on a real socket, with its production registrations, on databases of its own and with issuers to attack.</summary>
public class HttpHost(PostgresFixture postgres) : IAsyncLifetime
{
    public const string BootstrapKey = "bootstrap-key-of-the-tests";
    public const string Issuer = "https://people.example";
    public const string OtherIssuer = "https://others.example";
    public const string RsaIssuer = "https://rsa.example";
    public const string BoundIssuer = "https://bound.example";
    public const string StaffIssuer = "https://staff.example";
    public const string Audience = "tenantdocs";

    private readonly string _prefix = $"x{Guid.NewGuid():n}"[..12];
    private WebApplicationFactory<Program>? _factory;
    private HttpClient? _client;
    private IReadOnlyList<string> _servers = [];

    public SymmetricSecurityKey Key { get; } = new(RandomNumberGenerator.GetBytes(32));
    public SymmetricSecurityKey OtherKey { get; } = new(RandomNumberGenerator.GetBytes(32));
    public SymmetricSecurityKey BoundKey { get; } = new(RandomNumberGenerator.GetBytes(32));
    public SymmetricSecurityKey StaffKey { get; } = new(RandomNumberGenerator.GetBytes(32));
    public Provider Provider { get; private set; } = null!;
    public RSA Rsa { get; } = RSA.Create(2048);
    public Tenant Acme { get; private set; } = null!;
    public Tenant Globex { get; private set; } = null!;
    public string AcmeKey { get; private set; } = "";

    public IServiceProvider Services => _factory!.Services;

    public async ValueTask InitializeAsync()
    {
        Provider = await Provider.StartAsync();
        var settings = await SettingsAsync();
        _servers =
        [
            .. settings.Where(s => s.Key.EndsWith(":ConnectionString", StringComparison.Ordinal)).Select(s => s.Value!),
        ];
        _factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
        {
            foreach (var (key, value) in settings)
            {
                host.UseSetting(key, value);
            }
        });
        _factory.UseKestrel(0);
        _factory.StartServer();
        _client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false })
        {
            BaseAddress = _factory.ClientOptions.BaseAddress,
        };
        var startup = Services.GetRequiredService<PlatformStartup>();
        await startup.Ready.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        await Keys.EnsureBootstrapKeyAsync(BootstrapKey, CancellationToken.None);
        Acme = await NewTenantAsync("acme", TenantStatus.Active);
        Globex = await NewTenantAsync("globex", TenantStatus.Active);
        AcmeKey = await NewKeyAsync(Acme, "owner");
    }

    public ApiKeys Keys => Services.GetRequiredService<ApiKeys>();

    public Task<HttpResponseMessage> GetAsync(string path, string? credential = null) =>
        SendAsync(new HttpRequestMessage(HttpMethod.Get, path), credential);

    /// <summary>Sends as a client that writes <c>Authorization: Bearer</c> before the credential, whatever it is.</summary>
    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, string? credential = null) =>
        SendUntilAsync(request, credential, TestContext.Current.CancellationToken);

    /// <summary>The same for a client that gives up.</summary>
    public async Task<HttpResponseMessage> SendUntilAsync(
        HttpRequestMessage request,
        string? credential,
        CancellationToken cancellationToken
    )
    {
        if (credential is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {credential}");
        }

        return await _client!.SendAsync(request, cancellationToken);
    }

    public async Task<string> NewKeyAsync(
        Tenant tenant,
        string role,
        string[]? scopes = null,
        DateTimeOffset? expiresAt = null
    ) => (await Keys.CreateAsync(tenant.Id, "test", role, scopes, expiresAt, "test", CancellationToken.None)).Key;

    /// <summary>A tenant of the catalog only: these tests look at what comes before its data.</summary>
    public async Task<Tenant> NewTenantAsync(
        string slug,
        TenantStatus status,
        AccessMode access = AccessMode.ReadWrite,
        string tier = "starter"
    )
    {
        var id = TenantId.Create(DateTimeOffset.UtcNow);
        var catalog = Services.GetRequiredService<CatalogDatabase>();
        await using var command = catalog.Source.CreateCommand(
            """
            WITH t AS (
                INSERT INTO tenants (id, slug, name, tier, status, access_mode, created_at, updated_at, purge_at, suspend_reason)
                VALUES ($1, $2, $2, $5, $3, $4, now(), now(), '2030-01-02T03:04:05.678901Z', 'unpaid') RETURNING id)
            INSERT INTO placements SELECT id, 'shared', 'local-1', 'none', 'shared', 1 FROM t
            """
        );
        command.Parameters.Add(SqlValue.Of(id.Value));
        command.Parameters.Add(SqlValue.Of(slug));
        command.Parameters.Add(SqlValue.Of(status.ToText()));
        command.Parameters.Add(SqlValue.Of(access.ToText()));
        command.Parameters.Add(SqlValue.Of(tier));
        await command.ExecuteNonQueryAsync();
        return (await Services.GetRequiredService<TenantCatalog>().FindAsync(id, CancellationToken.None))!;
    }

    public async Task<Tenant> FindTenantAsync(string slug) =>
        (await Services.GetRequiredService<TenantCatalog>().FindBySlugAsync(slug, CancellationToken.None))!;

    /// <summary>A token that is good unless something is changed about it.</summary>
    public string Token(
        SigningCredentials? signing = null,
        string issuer = Issuer,
        string audience = Audience,
        TimeSpan? lifetime = null,
        params (string Name, object Value)[] claims
    )
    {
        var all = new Dictionary<string, object>
        {
            ["sub"] = "ada",
            ["name"] = "Ada",
            ["tenant"] = "acme",
            ["role"] = "owner",
        };
        foreach (var (name, value) in claims)
        {
            all[name] = value;
        }

        var now = DateTime.UtcNow;
        var expires = now + (lifetime ?? TimeSpan.FromMinutes(5));
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(
            new SecurityTokenDescriptor
            {
                Issuer = issuer,
                Audience = audience,
                Claims = all,
                NotBefore = now < expires ? now : expires.AddMinutes(-5),
                Expires = expires,
                SigningCredentials = signing ?? new SigningCredentials(Key, SecurityAlgorithms.HmacSha256),
            }
        );
    }

    /// <summary>A token whose head and signature are written by hand.</summary>
    public static string Forge(string head, string goodToken, Func<byte[], byte[]> sign)
    {
        var payload = goodToken.Split('.')[1];
        var text = $"{Base64UrlEncoder.Encode(head)}.{payload}";
        return $"{text}.{Base64UrlEncoder.Encode(sign(Encoding.ASCII.GetBytes(text)))}";
    }

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        if (_factory is not null)
        {
            await _factory.DisposeAsync();
            foreach (var server in _servers)
            {
                await Platform.DropDatabasesAsync(server, _prefix);
            }
        }

        await Provider.DisposeAsync();
        Rsa.Dispose();
        GC.SuppressFinalize(this);
    }

    protected Task<string> ServerAsync(int index) => postgres.ServerConnectionString(index);

    protected virtual async Task<Dictionary<string, string?>> SettingsAsync()
    {
        var server = await ServerAsync(0);
        var settings = Platform.Settings(_prefix);
        settings["ConnectionStrings:Catalog"] = server;
        settings["Servers:local-1:ConnectionString"] = server;
        settings["Admin:BootstrapKey"] = BootstrapKey;
        settings["Demo:Preset"] = "none";
        settings["Tenancy:BaseDomain"] = "docs.example";
        settings["Urls"] = "http://127.0.0.1:0";
        settings["Tiers:starter:Features:0"] = "search";
        settings["Tiers:slow:Limits:RequestsPerSecond"] = "5";
        settings["Tiers:narrow:Limits:Concurrency"] = "1";
        settings["Tiers:tiny:Isolation"] = "shared";
        settings["Tiers:tiny:Limits:Documents"] = "2";
        settings["Tiers:tiny:Limits:Bytes"] = "5000";
        settings["Documents:LanguageSettling"] = "01:00:00";
        AddScheme(settings, "Bearer", Issuer, Key);
        AddScheme(settings, "Others", OtherIssuer, OtherKey);
        AddScheme(settings, "Bound", BoundIssuer, BoundKey);
        settings["Authentication:Schemes:Bound:Tenants:0"] = "globex";
        AddScheme(settings, "Staff", StaffIssuer, StaffKey);
        settings["Authentication:Schemes:Staff:Staff"] = "true";
        settings["Authentication:Schemes:Rsa:ValidIssuer"] = RsaIssuer;
        settings["Authentication:Schemes:Rsa:ValidAudience"] = Audience;
        settings["Authentication:Schemes:Rsa:PublicKeys:0"] = Rsa.ExportSubjectPublicKeyInfoPem();
        settings["Authentication:Schemes:Provider:Authority"] = Provider.Address;
        settings["Authentication:Schemes:Provider:RequireHttpsMetadata"] = "false";
        settings["Authentication:Schemes:Provider:ValidAudience"] = Audience;
        return settings;
    }

    private static void AddScheme(
        Dictionary<string, string?> settings,
        string name,
        string issuer,
        SymmetricSecurityKey key
    )
    {
        var section = $"Authentication:Schemes:{name}";
        settings[$"{section}:ValidIssuer"] = issuer;
        settings[$"{section}:ValidAudiences:0"] = Audience;
        settings[$"{section}:SigningKeys:0:Id"] = name;
        settings[$"{section}:SigningKeys:0:Issuer"] = issuer;
        settings[$"{section}:SigningKeys:0:Value"] = Convert.ToBase64String(key.Key);
        settings[$"{section}:SigningKeys:0:Length"] = "32";
    }
}

internal static class HttpAnswers
{
    /// <summary>The body with the trace id taken out, which alone may differ between two answers.</summary>
    public static async Task<string> WithoutTraceAsync(this HttpResponseMessage answer)
    {
        var text = await answer.TextAsync();
        using var json = JsonDocument.Parse(text);
        return text.Replace(json.RootElement.GetProperty("traceId").GetString()!, "", StringComparison.Ordinal);
    }

    public static Task<string> TextAsync(this HttpResponseMessage answer) =>
        answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

    public static async Task<JsonElement> JsonAsync(this HttpResponseMessage answer) =>
        JsonElement.Parse(await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));

    public static async Task ShouldBeAsync(this HttpResponseMessage answer, int status, string code)
    {
        var text = await answer.TextAsync();
        Assert.True(status == (int)answer.StatusCode, $"{(int)answer.StatusCode}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.ToString());
        var problem = JsonElement.Parse(text);
        Assert.Equal(code, problem.GetProperty("code").GetString());
        Assert.Equal($"/problems/{code}", problem.GetProperty("type").GetString());
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        Assert.NotEmpty(problem.GetProperty("detail").GetString()!);
        Assert.NotEmpty(problem.GetProperty("traceId").GetString()!);
        Assert.True(answer.Headers.Contains("X-Request-Id"));
    }
}
