namespace TenantDocs.Cli;

/// <summary>Who is said to have acted: the operating system's user.</summary>
internal static class Operator
{
    public static string Name => $"cli:{Environment.UserName}";
}
