#!/usr/bin/perl
# A skill server in Perl: sums of two decimal numbers. It listens on a free port, whose number it prints.
use strict;
use warnings;
use IO::Socket::INET;

my $VERSION = "1.0.0";
my $LEVELS  = 3;
my $RANDOM  = 2**31;

my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 16, ReuseAddr => 1) or die "no port: $!";
$| = 1;
print $server->sockport, "\n";

while (my $client = $server->accept) {
    my $first = <$client> // next;
    my ($request, $query) = $first =~ m{^((?:GET|POST) /\w+)\??(\S*)} or next;
    my ($length, $body) = (0, "");
    while (my $line = <$client>) {
        last unless $line =~ /\S/;
        $length = $1 if $line =~ /^Content-Length: *(\d+)/i;
    }
    read($client, $body, $length);
    my ($status, $content) = answer($request, $query, $body);
    print $client "HTTP/1.1 $status\r\nContent-Type: application/json\r\n";
    print $client "Content-Length: ", length($content), "\r\nConnection: close\r\n\r\n$content";
}

sub answer {
    my ($request, $query, $body) = @_;
    my %asked = ($query =~ /(\w+)=([^&]*)/g, $body =~ /"(\w+)": *(\d+)/g);
    return ("200 OK", '{"status": "ok"}') if $request eq "GET /health";
    return ("200 OK", qq({"skill": "adder", "version": "$VERSION", "min_level": 1, "max_level": $LEVELS}))
        if $request eq "GET /info";
    return ("200 OK", sprintf '{"levels": [%s]}', join ", ", map { "{" . space($_) . "}" } 1 .. $LEVELS)
        if $request eq "GET /levels";
    my $level = $asked{level} // 0;
    return ("404 Not Found", qq({"error": "unknown level $level: adder has 1 to $LEVELS"}))
        unless grep { $_ eq $level } 1 .. $LEVELS;
    return ("200 OK", batch($level, problems("train", $level, $asked{seed} // 0, $asked{count})))
        if $request eq "POST /generate";
    return ("404 Not Found", '{"error": "adder answers GET /health /info /levels /eval and POST /generate"}')
        unless $request eq "GET /eval";
    my @static = distinct(5, problems("exam", $level, "static", 50));
    my @drawn  = problems("exam", $level, "seed " . ($asked{seed} // 0), 5000);
    my @exam   = distinct($asked{count} // 5, @static, @drawn);
    return ("200 OK", batch($level, @exam));
}

# A level's first number has as many digits; one fifth of the problems is for exams, where there are enough.
sub problems {
    my ($split, $level, $seed, $count) = @_;
    my $dice = 7;
    $dice = ($dice * 31 + ord) % $RANDOM for split //, "$split $level $seed";
    my $below = sub { $dice = ($dice * 1103515245 + 12345) % $RANDOM; int $_[0] * $dice / $RANDOM };
    my @found;
    while (@found < $count) {
        my $least = $level == 1 ? 0 : 10**($level - 1);
        my ($x, $y) = ($least + $below->(10**$level - $least), $below->(10**$level));
        my $is_exam = ($x * 7919 + $y * 104729) % 5 == 0;
        push @found, [$x, $y] if $level == 1 or $is_exam == ($split eq "exam");
    }
    return @found;
}

sub distinct {
    my ($count, @problems) = @_;
    my %seen;
    my @found = grep { not $seen{"@$_"}++ } @problems;
    return @found > $count ? @found[0 .. $count - 1] : @found;
}

sub batch {
    my ($level, @problems) = @_;
    my $space = space($level);
    my @items = map {
        my ($x, $y) = @$_;
        my $prompt = "$x + $y =";
        qq({"id": "adder-$x-$y", "difficulty": "easy", "operation": "add", "prompt": "$prompt", "answer": ")
            . ($x + $y) . qq(", $space});
    } @problems;
    return qq({"version": "$VERSION", "level": $level, "items": [) . join(", ", @items) . "]}";
}

sub space {
    my ($level) = @_;
    my $size = $level == 1 ? 100 : (10**$level - 10**($level - 1)) * 10**$level;
    return qq("level": $level, "space_size": $size, "space_split": ") . ($level == 1 ? "none" : "hash") . '"';
}
