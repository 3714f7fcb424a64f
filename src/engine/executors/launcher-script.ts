// What a launcher runs: Perl that reads jobs and becomes them, see launchers.ts. A job is its length in bytes, a line end, and
// fields that end in NUL: how many of them follow that say where it is to run (none: where the one before did), namely cwd, log,
// slot and variables, each as name=value; then the value of ALAMODE_STEP, and the words of the command. Answers, each a line
// that begins with the launcher's number: `started <group>`, then `ended <wait status> <whether anything is left>`; or `failed
// <errno> <what>`. Everything that can fail is opened before the fork, so that it can be told of, and where the command is to
// find it: a page that is touched after a fork is copied first, which takes 4 µs. The child touches 50 of them this way, and 110
// when it sets all this up itself. Nothing of the launcher's is open in a command: Perl closes what is above 3 ($^F) at exec,
// and 3 is the slot's FIFO.
export const LAUNCHER_SCRIPT = `
use strict; use POSIX ();
umask 022;
my ($guard, $me) = @ARGV;
my ($append, $both, $tell, $look) = (POSIX::O_WRONLY | POSIX::O_APPEND | POSIX::O_CREAT, POSIX::O_RDWR, POSIX::O_WRONLY | POSIX::O_NONBLOCK, POSIX::O_RDONLY | POSIX::O_NONBLOCK);
$^F = 3;
POSIX::dup2(2, 3);
open(my $jobs, '<&', 0) && open(my $answers, '>&', 1) or POSIX::_exit(1);
POSIX::close(0); POSIX::close(1); POSIX::close(3);
POSIX::open('/dev/null', POSIX::O_RDONLY) eq '0 but true' or POSIX::_exit(1);
my ($job, $end, $cwd, $log, $fifo, $pid, $fd, $byte, $status, $left, $line, @words) = ('');
while (sysread($jobs, $job, 65536, length $job)) {
  next if ($end = index($job, "\\n")) < 0 || length($job) <= $end + substr($job, 0, $end);
  @words = split /\\0/, substr($job, $end + 1), -1;
  $job = '';
  pop @words;
  if ($left = shift @words) {
    ($cwd, $log, $fifo) = splice(@words, 0, 3);
    $fifo .= '/alive';
    %ENV = map { split /=/, $_, 2 } splice(@words, 0, $left - 3);
  }
  $ENV{ALAMODE_STEP} = shift @words;
  defined($fd = POSIX::open($log, $append, 0644)) or failed($log), next;
  if ($fd != 1) { POSIX::dup2($fd, 1); POSIX::close($fd) }
  POSIX::dup2(1, 2);
  defined($fd = POSIX::open($fifo, $both)) or failed($fifo), next;
  if ($fd != 3) { POSIX::dup2($fd, 3); POSIX::close($fd) }
  # ENXIO: nobody reads, the supervisor was killed. Whoever asked for the job starts another.
  defined($fd = POSIX::open($guard, $tell)) or failed($guard), next;
  chdir $cwd or failed($cwd), POSIX::close($fd), next;
  unless ($pid = fork) {
    defined $pid or failed('fork'), POSIX::close($fd), next;
    # A session of its own; and before it becomes the command: there is no instant in which it runs unknown to the supervisor.
    POSIX::setsid();
    POSIX::write($fd, $line = "+$$\\n", length $line) or POSIX::_exit(125);
    POSIX::close($fd);
    exec { $words[0] } @words;
    POSIX::_exit(127);
  }
  POSIX::close($fd);
  POSIX::close(1);
  POSIX::close(3);
  POSIX::dup2(0, 2);
  syswrite $answers, "$me started $pid\\n";
  waitpid($pid, 0);
  $status = $?;
  # Is anything left, in its group or holding the FIFO? Two calls; who has to know what is left looks closer.
  $left = (kill(0, -$pid) || $! == POSIX::EPERM) ? 1 : 0;
  if (!$left) {
    $left = 1;
    if (defined($fd = POSIX::open($fifo, $look))) {
      $end = POSIX::read($fd, $byte, 1);
      $left = 0 if defined $end && $end == 0;
      POSIX::close($fd);
    }
  }
  syswrite $answers, "$me ended $status $left\\n";
}
POSIX::_exit(0);
sub failed {
  $line = "$me failed " . ($! + 0) . " $_[0]\\n";
  POSIX::close(1);
  POSIX::close(3);
  syswrite $answers, $line;
}
`;
