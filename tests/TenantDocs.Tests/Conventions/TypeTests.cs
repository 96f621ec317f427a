using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace TenantDocs.Tests.Conventions;

public sealed class TypeTests
{
    private static readonly string[] BannedEndings =
    [
        "Manager",
        "Helper",
        "Helpers",
        "Util",
        "Utils",
        "Utility",
        "Service",
        "Info",
        "Data",
        "Base",
        "Impl",
        "Common",
    ];

    private static readonly Dictionary<string, int> Ranges = new()
    {
        ["Catalog"] = 1000,
        ["Isolation"] = 2000,
        ["Documents"] = 3000,
        ["Provisioning"] = 4000,
        ["Moves"] = 5000,
        ["Database"] = 6000,
        ["Operations"] = 7000,
        ["LocalPostgres"] = 8000,
        ["Http"] = 9000,
    };

    private static IEnumerable<Type> Types =>
        new[] { typeof(Result<>).Assembly, typeof(global::Program).Assembly, Assembly.Load("TenantDocs.Cli") }
            .SelectMany(a => a.GetTypes())
            .Where(t => !t.Name.Contains('<', StringComparison.Ordinal))
            .Where(t => !t.IsDefined(typeof(CompilerGeneratedAttribute)))
            .Where(t => t.Namespace?.StartsWith(nameof(TenantDocs), StringComparison.Ordinal) == true);

    [Fact]
    public void Internal_classes_are_sealed()
    {
        Assert.NotEmpty(Types);
        Assert.Empty(
            Types
                .Where(t => t is { IsClass: true, IsSealed: false, IsAbstract: false, IsVisible: false })
                .Select(t => t.FullName)
        );
    }

    [Fact]
    public void No_type_has_a_name_that_says_nothing() =>
        Assert.Empty(
            Types
                .Where(t => BannedEndings.Any(e => t.Name.Split('`')[0].EndsWith(e, StringComparison.Ordinal)))
                .Select(t => t.FullName)
        );

    [Fact]
    public void Event_ids_are_unique_and_in_the_range_of_their_room()
    {
        var events = Types
            .SelectMany(t =>
                t.GetMethods(
                    BindingFlags.Static
                        | BindingFlags.Instance
                        | BindingFlags.NonPublic
                        | BindingFlags.Public
                        | BindingFlags.DeclaredOnly
                )
            )
            .Select(m => (Method: m, Attribute: m.GetCustomAttribute<LoggerMessageAttribute>()))
            .Where(m => m.Attribute is not null)
            .Select(m => (m.Attribute!.EventId, Name: $"{m.Method.DeclaringType!.FullName}.{m.Method.Name}"))
            .ToList();
        Assert.NotEmpty(events);
        Assert.Empty(events.GroupBy(e => e.EventId).Where(g => g.Count() > 1).Select(g => string.Join(", ", g)));
        var strayed = events
            .Where(e =>
                e.Name.Split('.').FirstOrDefault(Ranges.ContainsKey) is { } room
                && (e.EventId < Ranges[room] || e.EventId >= Ranges[room] + 1000)
            )
            .ToList();
        Assert.Empty(strayed);
    }
}
