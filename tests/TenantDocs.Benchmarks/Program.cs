using TenantDocs.Benchmarks;
using TenantDocs.Benchmarks.Driving;
using TenantDocs.Benchmarks.Hosts;
using TenantDocs.Benchmarks.Moves;

return args switch
{
    ["drive"] => Driver.Serve(),
    ["floor", var port] => await FloorHost.ServeAsync(port),
    ["layers", var port] => await LayersHost.ServeAsync(port),
    ["mover", var place] => await MoverHost.ServeAsync(place),
    ["move-copy", .. var rest] => await CopyComparison.RunAsync(rest),
    ["move-demo", .. var rest] => await MoveDemo.RunAsync(rest),
    ["move-recovery", .. var rest] => await MoveRecovery.RunAsync(rest),
    _ => await Run.StartAsync(args),
};
