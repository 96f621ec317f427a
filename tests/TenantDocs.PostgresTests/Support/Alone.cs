namespace TenantDocs.PostgresTests.Support;

/// <summary>
/// Tests that put load on the machine and judge how the product behaves within its deadlines: they run one after the
/// other, when nothing else runs, so that the machine's own load is not what they measure.
/// </summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
