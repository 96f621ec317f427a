using TenantDocs.Catalog;

namespace TenantDocs.PostgresTests.Documents;

public sealed class SharedIsolationTests(DocumentsPlatform platform)
    : IsolationContract(platform, IsolationModel.Shared);

public sealed class SchemaIsolationTests(DocumentsPlatform platform)
    : IsolationContract(platform, IsolationModel.Schema);

public sealed class DatabaseIsolationTests(DocumentsPlatform platform)
    : IsolationContract(platform, IsolationModel.Database);

public class IsolationContractTests
{
    [Fact]
    public void Every_isolation_model_has_its_contract_tests()
    {
        var proven = typeof(IsolationContract)
            .Assembly.GetTypes()
            .Where(t => t is { IsAbstract: false, IsSealed: true } && t.IsSubclassOf(typeof(IsolationContract)))
            .Select(t => ((IsolationContract)Activator.CreateInstance(t, (DocumentsPlatform?)null)!).Model);

        Assert.Equal(Enum.GetValues<IsolationModel>(), proven.Order());
    }
}
