using TenantDocs.Catalog;
using TenantDocs.Database;

namespace TenantDocs.Moves;

/// <summary>A place in the form that is kept with an operation.</summary>
internal sealed record PlaceText(IsolationModel Isolation, string Server, string Database, string Schema, long Epoch)
{
    public static PlaceText Of(Placement place) =>
        new(place.Isolation, place.Server, place.Database.Name, place.Schema.Name, place.Epoch);

    public Placement ToPlacement() =>
        new(Isolation, Server, new PgIdentifier(Database), new PgIdentifier(Schema), Epoch);
}

/// <summary>
/// One way of a tenant from a place to another, as its operation keeps it. A move and its rollback are two legs: the
/// second goes back over the stream that kept the source current.
/// </summary>
/// <param name="Link">Identity of the stream of changes.</param>
/// <param name="Tenant">Who moves.</param>
/// <param name="Slug">By which name.</param>
/// <param name="From">The home now; its epoch is the one that sessions carry.</param>
/// <param name="To">The home to be; its epoch is one more.</param>
/// <param name="TokenBase">Grows from one operation on a stream to the next, so that fencing tokens grow over all of them.</param>
/// <param name="MaxPauseMs">The longest that writes may wait.</param>
/// <param name="AutoCutover">False: cut over when somebody says so.</param>
/// <param name="KeepSourceFor">How long the way back stays open.</param>
internal sealed record MoveLeg(
    Guid Link,
    Guid Tenant,
    string Slug,
    PlaceText From,
    PlaceText To,
    long TokenBase,
    int MaxPauseMs,
    bool AutoCutover,
    TimeSpan KeepSourceFor
)
{
    /// <summary>The tier that the tenant has afterwards; null = as before.</summary>
    public string? Tier { get; init; }

    /// <summary>The tenant is held while it is copied: its server cannot stream changes, or it is small.</summary>
    public bool UnderFence { get; init; }

    /// <summary>The marker from which the stream counts; null where the copy makes one.</summary>
    public Guid? Start { get; init; }

    /// <summary>The move that this leg takes back.</summary>
    public Guid? Undoes { get; init; }

    /// <summary>Whether the target's server can stream changes back.</summary>
    public bool CanReturn { get; init; } = true;

    public TenantId TenantId => new(Tenant);

    public Placement Source => From.ToPlacement();

    public Placement Target => To.ToPlacement();

    /// <summary>Epoch under which the source serves on after an abort.</summary>
    public long AbortEpoch => To.Epoch + 1;

    public LinkSpec Spec => new(Link, TenantId, Source, Target, StreamObjects.SlotOf(Link), StreamObjects.SlotOf(Link));
}
