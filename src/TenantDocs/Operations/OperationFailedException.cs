namespace TenantDocs.Operations;

/// <summary>Thrown by a step that cannot succeed however often it is tried; the error becomes the operation's problem.</summary>
public sealed class OperationFailedException(Error error) : Exception(error.Detail)
{
    /// <summary>Why, in words for the operator.</summary>
    public Error Error { get; } = error;
}

/// <summary>Another worker holds the operation now. Nothing was written.</summary>
public sealed class LeaseLostException() : Exception("Another worker holds this operation now; nothing was written.");
