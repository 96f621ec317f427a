namespace TenantDocs.Api.Http;

internal static partial class ProblemCatalogue
{
    // What a long-running operation is refused with, or ends with. Not a field: All is made before any of this file's.
    private static IReadOnlyList<ProblemKind> OfOperations =>
        [
            new(
                "operation-in-progress",
                409,
                "Another operation is running",
                "A tenant has one operation at a time, and one is not finished.",
                "Wait for that operation, or cancel it."
            ),
            new(
                "operation-not-cancellable",
                409,
                "The operation cannot be cancelled",
                "It is finished, or past the point of no return.",
                "Look at the operation's state."
            ),
            new(
                "operation-failed",
                500,
                "The operation failed",
                "A long-running operation gave up; `detail` says in which phase, why, and what is left.",
                "Mend the cause and ask for it again."
            ),
            new(
                "nothing-to-change",
                409,
                "Nothing to change",
                "It already is as the request asks.",
                "Nothing needs to be done."
            ),
            new(
                "operation-finished",
                409,
                "The operation has ended",
                "What was asked for can only be done while the operation runs.",
                "Look at the operation's state."
            ),
            new(
                "not-a-move",
                409,
                "Not a move",
                "Only a move can be cut over, rolled back or finalized; this operation is another one.",
                "Use the id of a move."
            ),
            new(
                "rollback-unavailable",
                409,
                "The way back is closed",
                "The move's source is not kept any more, or was given up.",
                "Move the tenant back with a new move."
            ),
            new(
                "tenant-state",
                409,
                "The tenant's state does not allow a move",
                "The tenant is in a state in which it cannot be moved.",
                "Look at its `status`."
            ),
            new(
                "tenant-moved",
                409,
                "The tenant lives elsewhere now",
                "Its home changed since the operation was planned.",
                "Read the tenant again and decide anew."
            ),
            new(
                "unknown-server",
                409,
                "No such server",
                "The move's source or target is not registered.",
                "Register the server, or choose another."
            ),
            new(
                "region-forbidden",
                409,
                "Another region",
                "The tenant is bound to a region in which the target is not.",
                "Choose a server of the tenant's region."
            ),
            new(
                "server-draining",
                409,
                "The server is draining",
                "The target takes no further tenant.",
                "Choose another server, or stop draining this one."
            ),
            new(
                "verification-failed",
                409,
                "The copy differs",
                "Source and target of a move were compared and are not equal; the tenant is served where it was.",
                "Ask for the move again; if it stays, tell the people who run this platform."
            ),
            new(
                "wal-level",
                409,
                "No logical replication there",
                "A server of the move does not write what a live move reads; `wal_level` must be `logical`.",
                "Set it there, or move with writes held."
            ),
            new(
                "slot-limit",
                409,
                "No replication slot is free",
                "A server of the move has no free replication slot or sender.",
                "Wait for other moves, or allow more there."
            ),
            new(
                "schema-version",
                409,
                "Different versions of the tables",
                "Source and target do not have the same version of the tenant's tables.",
                "Migrate the older one, then ask for the move again."
            ),
            new(
                "server-version",
                409,
                "The target does not fit",
                "The target's PostgreSQL is older than the source's, or its databases have another encoding.",
                "Upgrade it, or choose another server."
            ),
            new(
                "missing-privilege",
                409,
                "A privilege is missing",
                "A role of the platform may not do what the move needs on one of its servers.",
                "Grant the privilege that `detail` names."
            ),
            new(
                "no-way-back",
                409,
                "There will be no way back",
                "The target cannot stream its changes, so the source cannot be kept current after the move.",
                "Move without a kept source, or set `wal_level` to `logical` at the target."
            ),
            new(
                "under-fence",
                409,
                "Writes are held while the tenant is copied",
                "The tenant is as small as Moves:UnderFenceBytes says: it is copied while its writes are held, and there is no way back.",
                "Nothing, or ask for a maxWritePauseMs below 250: then it is streamed."
            ),
            new(
                "long-pause",
                409,
                "Requests will be refused for a while",
                "Holding the tenant while it is copied takes longer than a request waits (Isolation:MoveDeadline).",
                "Move at a quiet time, set `wal_level` to `logical` at the source, or let requests wait for longer."
            ),
            new(
                "ends-way-back",
                409,
                "It ends the way back of another move",
                "The tenant's last move can still be taken back; another move ends that, also when it is given up.",
                "Go on if the tenant need not go back to where it was, or take the last move back first."
            ),
            new(
                "server-unreachable",
                503,
                "The server cannot be reached",
                "A server that the operation needs does not answer.",
                "Bring it back, then ask for the operation again."
            ),
            new(
                "move-aborted",
                503,
                "The move gave up",
                "It could not go on, or not switch within the time that writes may wait; `detail` says why. The tenant is served where it was.",
                "Mend what `detail` names, then ask for it again; for a pause that was too short, at a quieter time or with a longer one."
            ),
            new(
                "move-interrupted",
                503,
                "The move was interrupted",
                "The process that moved the tenant ended at a point where going on was not safe; the source serves on.",
                "Ask for the move again."
            ),
            new(
                "not-left",
                409,
                "It looks like the tenant's home",
                "What was to be removed after a move may be where the tenant lives; nothing was removed.",
                "Look at the tenant's placement; ask the people who run this platform."
            ),
        ];
}
