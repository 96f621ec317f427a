using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace TenantDocs.Import;

/// <summary>
/// YAML as JSON, event by event: depth and size are bounded before they are built (the library's own object model recurses
/// as deep as its input says, and an alias of an alias grows without bound). Scalars follow YAML's core schema; a date is
/// ISO text, and what would lose digits or zeros as a number stays text.
/// </summary>
internal sealed partial class YamlJson
{
    private const int MaxDepth = 30; // two less than metadata's limit: its own levels are around it
    private const int MaxNodes = 20_000;

    private readonly Parser _parser;
    private readonly Dictionary<AnchorName, JsonNode?> _anchors = [];
    private int _nodes;

    private YamlJson(string yaml) => _parser = new Parser(new StringReader(yaml));

    /// <summary>The first document.</summary>
    /// <exception cref="YamlException">It is not YAML, says a name twice, or is too deep or too large.</exception>
    public static JsonNode? Read(string yaml)
    {
        var reader = new YamlJson(yaml);
        reader._parser.Consume<StreamStart>();
        return reader._parser.TryConsume<DocumentStart>(out _) ? reader.Node(0) : null;
    }

    private JsonNode? Node(int depth)
    {
        var at = _parser.Current!.Start;
        if (++_nodes > MaxNodes || depth > MaxDepth)
        {
            throw new YamlException(at, at, "it is nested too deeply or has too many values");
        }

        if (_parser.TryConsume<AnchorAlias>(out var alias))
        {
            if (!_anchors.TryGetValue(alias.Value, out var known))
            {
                throw new YamlException(alias.Start, alias.End, $"nothing is named {alias.Value}");
            }

            _nodes += Count(known);
            return known?.DeepClone();
        }

        var anchor = (_parser.Current as NodeEvent)?.Anchor ?? AnchorName.Empty;
        var node =
            _parser.TryConsume<Scalar>(out var scalar) ? Value(scalar)
            : _parser.TryConsume<SequenceStart>(out _) ? Sequence(depth)
            : Mapping(depth);
        if (!anchor.IsEmpty)
        {
            _anchors[anchor] = node;
        }

        return node;
    }

    private JsonArray Sequence(int depth)
    {
        var array = new JsonArray();
        while (!_parser.TryConsume<SequenceEnd>(out _))
        {
            array.Add(Node(depth + 1));
        }

        return array;
    }

    private JsonObject Mapping(int depth)
    {
        _parser.Consume<MappingStart>();
        var map = new JsonObject();
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            var at = _parser.Current!.Start;
            if (!_parser.TryConsume<Scalar>(out var name))
            {
                throw new YamlException(at, at, "a name is not a plain text");
            }

            if (map.ContainsKey(name.Value))
            {
                throw new YamlException(name.Start, name.End, $"'{name.Value}' is said twice");
            }

            map[name.Value] = Node(depth + 1);
        }

        return map;
    }

    private static int Count(JsonNode? node) =>
        node switch
        {
            JsonArray array => 1 + array.Sum(Count),
            JsonObject map => 1 + map.Sum(m => Count(m.Value)),
            _ => 1,
        };

    private static JsonNode? Value(Scalar scalar)
    {
        var text = scalar.Value;
        if (scalar.Style is not ScalarStyle.Plain || !scalar.Tag.IsEmpty)
        {
            return JsonValue.Create(text);
        }

        return text switch
        {
            "" or "~" or "null" or "Null" or "NULL" => null,
            "true" or "True" or "TRUE" => JsonValue.Create(true),
            "false" or "False" or "FALSE" => JsonValue.Create(false),
            _ when IsNumber(text) => JsonNode.Parse(text),
            _ when DateAndTime().Match(text) is { Success: true } moment => JsonValue.Create(Iso(moment)),
            _ => JsonValue.Create(text),
        };
    }

    private static bool IsNumber(string text) =>
        text.Length <= 25
        && JsonNumber().IsMatch(text)
        && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        && double.IsFinite(number);

    private static string Iso(Match moment)
    {
        var zone = moment.Groups["zone"].Value;
        if (zone.Length is > 0 and < 6 && zone is not ("Z" or "z"))
        {
            var digits = zone[1..].Replace(":", "", StringComparison.Ordinal);
            var (hours, minutes) = digits.Length <= 2 ? (digits, "00") : (digits[..^2], digits[^2..]);
            zone = $"{zone[0]}{hours.PadLeft(2, '0')}:{minutes}";
        }

        return $"{moment.Groups["date"]}T{moment.Groups["hour"].Value.PadLeft(2, '0')}{moment.Groups["rest"]}{zone.ToUpperInvariant()}";
    }

    [GeneratedRegex(@"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\z")]
    private static partial Regex JsonNumber();

    [GeneratedRegex(
        @"\A(?<date>\d{4}-\d{2}-\d{2})([Tt]|[ \t]+)(?<hour>\d{1,2})(?<rest>:\d{2}:\d{2}(\.\d+)?)[ \t]*(?<zone>[Zz]|[-+]\d{1,2}(:?\d{2})?)?\z"
    )]
    private static partial Regex DateAndTime();
}
