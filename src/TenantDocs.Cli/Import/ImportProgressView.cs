using Spectre.Console;
using TenantDocs.Import;

namespace TenantDocs.Cli.Import;

/// <summary>How far an import is, on stderr: a bar where there is a terminal, else a line now and then.</summary>
internal abstract class ImportProgressView : IProgress<ImportProgress>, IDisposable
{
    /// <summary>The newest word.</summary>
    public ImportProgress Last { get; private set; }

    public static ImportProgressView On(Terminal terminal) =>
        terminal.IsErrorTerminal ? new Bar(terminal.Progress) : new Lines(terminal);

    public void Report(ImportProgress value)
    {
        Last = value;
        Draw(value);
    }

    public virtual void Dispose() { }

    protected abstract void Draw(ImportProgress value);

    private sealed class Lines(Terminal terminal) : ImportProgressView
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);
        private readonly long _start = TimeProvider.System.GetTimestamp();
        private TimeSpan _next = Interval;

        protected override void Draw(ImportProgress value)
        {
            var elapsed = TimeProvider.System.GetElapsedTime(_start);
            if (elapsed < _next)
            {
                return;
            }

            _next = elapsed + Interval;
            var rate = value.Files / elapsed.TotalSeconds;
            var left = TimeSpan.FromSeconds((value.TotalFiles - value.Files) / Math.Max(rate, 0.001));
            terminal.Say(
                $"{value.Files} of {value.TotalFiles} files, {value.Bytes / 1e6:0.0} of {value.TotalBytes / 1e6:0.0} MB, "
                    + $"{rate:0} files/s, {left:hh\\:mm\\:ss} left"
            );
        }
    }

    private sealed class Bar : ImportProgressView
    {
        private readonly TaskCompletionSource _end = new();
        private readonly Task _drawing;
        private readonly ProgressTask _task;

        public Bar(IAnsiConsole console)
        {
            var begun = new TaskCompletionSource<ProgressTask>();
            _drawing = console
                .Progress()
                .Columns(
                    new TaskDescriptionColumn(),
                    new ProgressBarColumn(),
                    new PercentageColumn(),
                    new RemainingTimeColumn()
                )
                .StartAsync(async context =>
                {
                    begun.SetResult(context.AddTask("reading the folder", maxValue: 1));
                    await _end.Task;
                });
            _task = begun.Task.GetAwaiter().GetResult();
        }

        public override void Dispose()
        {
            _end.TrySetResult();
            _drawing.GetAwaiter().GetResult();
            base.Dispose();
        }

        protected override void Draw(ImportProgress value)
        {
            var rate = value.Files / Math.Max(_task.ElapsedTime?.TotalSeconds ?? 0, 0.001);
            _task.MaxValue = Math.Max(1, value.TotalFiles);
            _task.Value = value.Files;
            _task.Description =
                $"{value.Files}/{value.TotalFiles} files, {value.Bytes / 1e6:0.0}/{value.TotalBytes / 1e6:0.0} MB, {rate:0} files/s";
        }
    }
}
