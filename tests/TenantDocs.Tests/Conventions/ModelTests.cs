using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Tests.Conventions;

public sealed class ModelTests
{
    private static readonly DatabaseNames Names = new();

    [Fact]
    public void Each_isolation_model_is_registered_exactly_once_or_nothing_starts()
    {
        IIsolation[] all = [new SharedIsolation(Names), new SchemaIsolation(Names), new DatabaseIsolation(Names)];
        var isolations = new Isolations(all);
        Assert.All(Enum.GetValues<IsolationModel>(), m => Assert.Equal(m, isolations[m].Model));
        Assert.Throws<InvalidOperationException>(() => new Isolations(all[..2]));
        Assert.Throws<InvalidOperationException>(() => new Isolations([.. all, new SharedIsolation(Names)]));
    }

    [Fact]
    public void The_names_of_a_tenants_home_tell_nothing_of_the_tenant()
    {
        var tenant = TenantId.Create(TimeProvider.System.GetUtcNow());
        var schema = new SchemaIsolation(Names).PlaceFor(tenant, "s", 1);
        var database = new DatabaseIsolation(Names).PlaceFor(tenant, "s", 1);
        Assert.Matches("^t_[0-9a-f]{32}$", schema.Schema.Name);
        Assert.Matches("^tenantdocs_t_[0-9a-f]{32}$", database.Database.Name);
    }
}
