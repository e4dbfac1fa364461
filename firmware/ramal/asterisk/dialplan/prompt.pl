# What a phone changes of a sentence while nothing of Ramal's own runs (own_sounds.py is the same law in Python):
#   perl prompt.pl keep PROMPTS OWN PATH AGENT PHONE TAKE     the take is kept and heard from now on
#   perl prompt.pl machine PROMPTS OWN PATH AGENT PHONE       the machine's voice again
# Called by dialplan/prompt.conf with words that are generated or digits; checked again here all the same.
use strict;
use warnings;
use IO::Handle;

my ($act, $prompts, $own, $path, $agent, $phone, $take) = @ARGV;
die "no such path\n" unless $path =~ m{\A[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*\z};
die "no such person\n" unless "$agent$phone" =~ m{\A[0-9]*\z};

my $folder = "$own/prompts/$path";
folders("$own/prompts", $path);
folders($prompts, $path =~ s{/?[^/]+\z}{}r);
my $chosen = "$folder/chosen.wav";
my $at_ms  = time() * 1000;

if ($act eq 'keep') {
    flushed($take);
    $at_ms++ while glob_of("$folder/$at_ms.");
    my $version = "$folder/$at_ms.phone.$agent.$phone.wav";
    rename $take, $version or die "$version: $!\n";
    put($version, $chosen);
}
elsif ($act eq 'machine') {
    # The mark tells the daemon later who wanted it.
    if (-e $chosen) { open my $mark, '>', "$folder/$at_ms.machine.$agent.$phone" or die "$!\n"; close $mark }
    unlink $chosen;
}
else { die "no such act\n" }
flushed($folder);

for (1 .. 5) {
    my $wanted = -e $chosen ? $chosen : "$prompts/machine/$path.wav";
    last unless -e $wanted;
    put($wanted, "$prompts/$path.wav");
    last if $wanted eq (-e $chosen ? $chosen : "$prompts/machine/$path.wav");
}

# One step, whoever is playing it: a link beside it, renamed over it.
sub put {
    my ($from, $to) = @_;
    my $new = "$to.$$";
    unlink $new;
    link $from, $new or copied($from, $new);
    rename $new, $to or die "$to: $!\n";
    unlink $new;
}

sub folders {
    my ($at, $below) = @_;
    for my $part (split m{/}, $below) {
        $at .= "/$part";
        mkdir $at unless -d $at;
    }
}

sub copied {
    my ($from, $to) = @_;
    open my $in,  '<:raw', $from or die "$from: $!\n";
    open my $out, '>:raw', $to   or die "$to: $!\n";
    while (sysread $in, my $piece, 65536) { syswrite $out, $piece or die "$to: $!\n" }
    close $out or die "$to: $!\n";
}

sub flushed {
    my ($name) = @_;
    open my $file, '<', $name or die "$name: $!\n";
    $file->sync;
    close $file;
}

sub glob_of {
    my ($beginning) = @_;
    my ($name) = $beginning =~ m{([^/]+)\z};
    opendir my $all, $folder or die "$folder: $!\n";
    my @found = grep { index($_, $name) == 0 } readdir $all;
    return scalar @found;
}
