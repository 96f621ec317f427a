namespace TenantDocs.LocalPostgres;

/// <summary>An embedded cluster could not be prepared, started or stopped. The message says what happened, what was kept, and what to do.</summary>
public sealed class LocalPostgresException : Exception
{
    /// <summary>Creates the exception without details.</summary>
    public LocalPostgresException() { }

    /// <summary>Creates the exception with its message.</summary>
    public LocalPostgresException(string message)
        : base(message) { }

    /// <summary>Creates the exception with its message and cause.</summary>
    public LocalPostgresException(string message, Exception innerException)
        : base(message, innerException) { }
}
