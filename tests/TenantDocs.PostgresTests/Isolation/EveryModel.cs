using TenantDocs.Catalog;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>Every isolation model there is: a fourth one is attacked from the day it is added.</summary>
public sealed class EveryModel : TheoryData<IsolationModel>
{
    public EveryModel()
        : base(Enum.GetValues<IsolationModel>()) { }
}
