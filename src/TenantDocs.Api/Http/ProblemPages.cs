using System.Globalization;
using System.Net;
using System.Text;

namespace TenantDocs.Api.Http;

/// <summary>The pages that a problem's <c>type</c> leads to.</summary>
internal static class ProblemPages
{
    private const string Style = """
        body{font:16px/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1c2430;background:#fff}
        h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1rem;margin:1.6rem 0 .2rem;color:#4a5568}
        code{font:.95em ui-monospace,monospace;background:#f0f3f7;padding:.1em .35em;border-radius:4px}
        table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid #e2e8f0}
        a{color:#0b5cad}@media(prefers-color-scheme:dark){body{color:#e2e8f0;background:#12161c}h2{color:#a0aec0}
        code{background:#232a34}td,th{border-color:#2d3744}a{color:#7ab8f5}}
        """;

    public static void MapProblemPages(this IEndpointRouteBuilder endpoints)
    {
        var pages = endpoints.MapGroup("/problems").For(Audience.Public).WithHead().ExcludeFromDescription();
        pages.MapGet("/", () => new HtmlPage("Problems", Index()));
        pages.MapGet(
            "/{code}",
            (string code) =>
                ProblemCatalogue.ByCode.TryGetValue(code, out var kind)
                    ? new HtmlPage(kind.Title, One(kind))
                    : Problems.Of(Error.NotFound)
        );
    }

    private static string Index()
    {
        var rows = new StringBuilder();
        foreach (var kind in ProblemCatalogue.All)
        {
            rows.Append(
                CultureInfo.InvariantCulture,
                $"<tr><td>{kind.Status}</td><td><a href=\"/problems/{kind.Code}\"><code>{kind.Code}</code></a></td>"
            );
            rows.Append(CultureInfo.InvariantCulture, $"<td>{Encode(kind.Title)}</td></tr>\n");
        }

        return $"""
            <h1>Problems</h1>
            <p>Every answer of 400 and above is <code>application/problem+json</code>; its <code>code</code> is one of these.</p>
            <table><thead><tr><th>Status</th><th>Code</th><th>Title</th></tr></thead>
            <tbody>
            {rows}</tbody></table>
            """;
    }

    private static string One(ProblemKind kind) =>
        $"""
            <h1>{Encode(kind.Title)}</h1>
            <p><code>{kind.Code}</code> · status {kind.Status}</p>
            <h2>What happened</h2>
            <p>{Encode(kind.Meaning)}</p>
            <h2>What to do</h2>
            <p>{Encode(kind.Remedy)}</p>
            <p><a href="/problems">All problems</a></p>
            """;

    // The catalogue marks names of fields and headers with backticks.
    private static string Encode(string text)
    {
        var parts = WebUtility.HtmlEncode(text).Split('`');
        return string.Concat(parts.Select((part, i) => i % 2 == 0 ? part : $"<code>{part}</code>"));
    }

    private sealed class HtmlPage(string title, string body) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            SecurityHeaders.Set(httpContext.Response);
            httpContext.Response.Headers.CacheControl = "public, max-age=3600";
            httpContext.Response.ContentType = "text/html; charset=utf-8";
            return httpContext.Response.WriteAsync(
                $"""
                <!doctype html>
                <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
                <title>{WebUtility.HtmlEncode(title)} · TenantDocs</title><style>{Style}</style></head>
                <body><main>
                {body}
                </main></body></html>

                """,
                httpContext.RequestAborted
            );
        }
    }
}
