namespace TenantDocs.Api.Http;

/// <summary>What a browser is told about our HTML pages: nothing from elsewhere, never inside another page.</summary>
internal static class SecurityHeaders
{
    public static void Set(HttpResponse response, bool allowsOwnScripts = false)
    {
        var headers = response.Headers;
        headers.ContentSecurityPolicy = allowsOwnScripts
            ? "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
                + "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
            : "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
    }
}
