using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace TenantDocs.Catalog;

/// <summary>The section <c>Tiers</c>: presets of isolation and limits by name. The three default tiers are always there.</summary>
public sealed class TiersOptions : Dictionary<string, TierOptions>
{
    /// <summary>Rows in shared tables.</summary>
    public const string Starter = "starter";

    /// <summary>A schema of its own.</summary>
    public const string Business = "business";

    /// <summary>A database of its own.</summary>
    public const string Enterprise = "enterprise";

    /// <summary>No tiers yet; names are compared exactly.</summary>
    public TiersOptions()
        : base(StringComparer.Ordinal) { }

    /// <summary>A tier's limits; a tier that is no longer configured has none.</summary>
    public TierLimits LimitsOf(string tier) =>
        TryGetValue(tier, out var options) ? options.Limits : TierLimits.Unlimited;

    /// <summary>
    /// The tier of a tenant that asks for an isolation only: the default one, where it still has that isolation; a tier that
    /// was added has limits of its own and is for who asks for it. Null when no tier has this isolation.
    /// </summary>
    internal string? Of(IsolationModel isolation) =>
        ((string[])[Starter, Business, Enterprise, .. Keys]).FirstOrDefault(t =>
            TryGetValue(t, out var tier) && tier.Isolation == isolation
        );

    internal void AddDefaults()
    {
        TryAdd(Starter, new TierOptions { Isolation = IsolationModel.Shared });
        TryAdd(Business, new TierOptions { Isolation = IsolationModel.Schema });
        TryAdd(Enterprise, new TierOptions { Isolation = IsolationModel.Database });
    }
}

/// <summary>One tier.</summary>
public sealed class TierOptions
{
    /// <summary>Where its tenants' rows live. Default shared.</summary>
    public IsolationModel Isolation { get; set; } = IsolationModel.Shared;

    /// <summary>Server on which its tenants are placed; null = the platform chooses.</summary>
    public string? Server { get; set; }

    /// <summary>What its tenants may use.</summary>
    public TierLimits Limits { get; set; } = new();

    /// <summary>Names of what its tenants have beyond the others, shown to them. Default none.</summary>
    public IList<string> Features { get; } = [];
}

/// <summary>What a tenant may use; null = unlimited.</summary>
public sealed class TierLimits
{
    /// <summary>No limit at all.</summary>
    public static TierLimits Unlimited { get; } = new();

    /// <summary>Documents, those in the trash too.</summary>
    [Range(0, long.MaxValue)]
    public long? Documents { get; set; }

    /// <summary>Bytes of document text.</summary>
    [Range(0, long.MaxValue)]
    public long? Bytes { get; set; }

    /// <summary>Requests per second on each node; a second's worth may come at once.</summary>
    [Range(1, 1_000_000)]
    public int? RequestsPerSecond { get; set; }

    /// <summary>Requests at the same time on each node.</summary>
    [Range(1, 1_000_000)]
    public int? Concurrency { get; set; }

    /// <summary>Bytes of one document's text.</summary>
    [Range(1, 1 << 30)]
    public long? BodyBytes { get; set; }
}

internal sealed class TiersValidation : IValidateOptions<TiersOptions>
{
    public ValidateOptionsResult Validate(string? name, TiersOptions options)
    {
        var faults = new List<ValidationResult>();
        foreach (var (tier, settings) in options)
        {
            var found = new List<ValidationResult>();
            var context = new ValidationContext(settings.Limits);
            Validator.TryValidateObject(settings.Limits, context, found, validateAllProperties: true);
            faults.AddRange(found.Select(f => new ValidationResult($"Tiers:{tier}:Limits: {f.ErrorMessage}")));
        }

        return faults.Count == 0
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(faults.Select(f => f.ErrorMessage!));
    }
}
