using System.Net.Sockets;
using System.Text.Json;
using Npgsql;

namespace TenantDocs.Operations;

/// <summary>Which faults are worth another attempt, and how a fault reads to an operator: no SQL, no names of objects.</summary>
internal static class OperationFaults
{
    private const string IdleInTransactionSessionTimeout = "25P03";

    public static bool IsTransient(Exception fault) =>
        fault is NpgsqlException { IsTransient: true } or IOException or SocketException or TimeoutException
        // The server ended a session that stood still in a transaction: its process froze, or its network.
        || fault is PostgresException { SqlState: IdleInTransactionSessionTimeout }
        || fault is NpgsqlException { InnerException: { } inner } && IsTransient(inner);

    public static Error Describe(Exception fault, string phase, StepFailure follows)
    {
        if (fault is OperationFailedException expected)
        {
            return expected.Error;
        }

        var cause = fault switch
        {
            PostgresException { SqlState: PostgresErrorCodes.ObjectInUse } => "something else keeps using it",
            PostgresException { SqlState: PostgresErrorCodes.DiskFull } => "the server's disk is full",
            PostgresException
            {
                SqlState: PostgresErrorCodes.CannotConnectNow
                    or PostgresErrorCodes.AdminShutdown
                    or PostgresErrorCodes.CrashShutdown
            } => "the server goes down or comes up",
            PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } =>
                "the server has no free connection",
            PostgresException { SqlState: PostgresErrorCodes.ConfigurationLimitExceeded } =>
                "a limit of the server's configuration is reached, such as its replication slots",
            PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } =>
                "the platform's role lacks a privilege there",
            PostgresException answer => $"the server answered {answer.SqlState}",
            NpgsqlException or IOException or SocketException => "the server cannot be reached",
            TimeoutException => "it took too long",
            _ => "an unexpected fault, which the log describes",
        };
        var kept =
            follows is StepFailure.Undo
                ? "What it had made was removed; it can be asked for again."
                : "What was done so far is kept; asking again continues from there.";
        return new Error(ErrorKind.Unavailable, "operation-failed", $"The phase '{phase}' failed: {cause}. {kept}");
    }

    public static Error Interrupted(string phase) =>
        new(
            ErrorKind.Unavailable,
            "operation-failed",
            $"The phase '{phase}' was interrupted too often. What it had made was removed; it can be asked for again."
        );

    public static Error NotUndone(string phase) =>
        new(
            ErrorKind.Unavailable,
            "operation-failed",
            $"The cancellation could not take back the phase '{phase}' yet; what is left is removed as soon as that is possible."
        );

    public static JsonElement ToJson(Error error)
    {
        var members = new Dictionary<string, object?> { ["code"] = error.Code, ["detail"] = error.Detail };
        foreach (var (name, value) in error.Extensions ?? new Dictionary<string, object?>())
        {
            members[name] = value;
        }

        return OperationJson.Write(members);
    }
}
