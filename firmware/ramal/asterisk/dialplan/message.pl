# Is a take a message? While nothing of Ramal's own runs: called by dialplan/message.conf when a caller has ended or hung up.
#   perl message.pl TAKE FILE    0: it is, and it is FILE now, on the disk. 1: under a second of sound; the take is gone.
# Sound is 20 ms louder than -45 dBFS, which is above the noise of a line and below a voice that whispers. Reading ends as
# soon as it is decided.
use strict;
use warnings;
use IO::Handle;

my ($take, $file) = @ARGV;
my $FRAME  = 160;    # samples at 8 kHz
my $ENOUGH = 50;     # frames of 20 ms

exit 1 unless -e $take;
if (loud($take)) {
    flushed($take);
    if ($take ne $file) { rename $take, $file or die "$file: $!\n" }
    my ($folder) = $file =~ m{\A(.*)/};
    flushed($folder);
    exit 0;
}
unlink $take;
exit 1;

sub loud {
    my ($name) = @_;
    open my $in, '<:raw', $name or return 0;
    read $in, my $head, 44 or return 0;
    my $count = 0;
    while ((read($in, my $data, 2 * $FRAME) // 0) == 2 * $FRAME) {
        my $sum = 0;
        $sum += $_ * $_ for unpack 's<*', $data;
        # 184 of 32768 is -45 dBFS.
        $count++ if $sum > $FRAME * 184 * 184;
        return 1 if $count >= $ENOUGH;
    }
    return 0;
}

sub flushed {
    my ($name) = @_;
    open my $it, '<', $name or die "$name: $!\n";
    $it->sync;
    close $it;
}
