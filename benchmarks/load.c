/* Load for a POP3 server: whole sessions, so many at a time, as fast as the server lets them.

   load PORT CLIENTS SECONDS

   Each client connects to 127.0.0.1, logs in as bob, says STAT, UIDL, RETR 1 and QUIT, each after the
   whole reply to the one before, closes, and begins anew until the seconds are over; then all finish
   what they are at.  On standard output: a line with the nanoseconds that everything took, and then one
   for each session, in the order of their ends.  A session lasts from connect() to the last octet of
   the reply to QUIT.

   Compiled, and one thread, so that the server gets the other processor to itself.  What it can do
   at the most is measured against `responder.c`. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CLIENTS = 1000, BUFFER_OCTETS = 65536, STALLED_MILLISECONDS = 60000 };

/* Octets that are kept of a reply: enough to know its beginning and its end. */
enum { ENDING = 5 };

struct step {
    const char *command; /* NULL before the greeting */
    int multi_line;
};

static const struct step STEPS[] = {
    {NULL, 0},       {"USER bob\r\n", 0}, {"PASS jones\r\n", 0}, {"STAT\r\n", 0},
    {"UIDL\r\n", 1}, {"RETR 1\r\n", 1},   {"QUIT\r\n", 0},
};
enum { STEP_COUNT = sizeof STEPS / sizeof STEPS[0] };

struct client {
    int step;
    long long begun;
    size_t octets; /* of this reply so far */
    char status;   /* its first octet */
    char ending[ENDING];
};

static struct sockaddr_in server = {.sin_family = AF_INET};
static struct client clients[MOST_CLIENTS];
static struct pollfd polled[MOST_CLIENTS];
static long long *taken;
static size_t ended;

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long long now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void begin(int i)
{
    const int on = 1;
    clients[i] = (struct client){.begun = now()};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        fail("socket");
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
        fail("connect");
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        fail("setsockopt");
    polled[i] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void end(int i)
{
    close(polled[i].fd);
    polled[i].fd = -1;
}

/* Keep the last octets of a reply. */
static void remember(struct client *client, const char *octets, size_t count)
{
    if (client->octets == 0)
        client->status = octets[0];
    client->octets += count;
    if (count >= ENDING) {
        memcpy(client->ending, octets + count - ENDING, ENDING);
        return;
    }
    memmove(client->ending, client->ending + count, ENDING - count);
    memcpy(client->ending + ENDING - count, octets, count);
}

/* Nothing comes behind a reply, since each command waits for it: its end is the end of the octets. */
static int is_complete(const struct client *client)
{
    if (STEPS[client->step].multi_line)
        return memcmp(client->ending, "\r\n.\r\n", ENDING) == 0;
    return memcmp(client->ending + ENDING - 2, "\r\n", 2) == 0;
}

/* Read what has come, and send the next command if that was the whole reply; tell whether the session
   is over. */
static int proceed(int i)
{
    static char buffer[BUFFER_OCTETS];
    struct client *client = &clients[i];
    ssize_t count = recv(polled[i].fd, buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count <= 0)
        fail("the server has closed the connection");
    remember(client, buffer, (size_t)count);
    if (!is_complete(client))
        return 0;
    if (client->status != '+') {
        fprintf(stderr, "load: refused: %.*s\n", (int)count, buffer);
        exit(1);
    }
    if (++client->step == STEP_COUNT)
        return 1;
    const char *command = STEPS[client->step].command;
    client->octets = 0;
    memset(client->ending, 0, ENDING);
    if (send(polled[i].fd, command, strlen(command), 0) < 0)
        fail("send");
    return 0;
}

/* Note how long a session took. */
static void note(long long nanoseconds)
{
    static size_t room;
    if (ended == room) {
        room = room ? 2 * room : 1024;
        taken = realloc(taken, room * sizeof *taken);
        if (taken == NULL)
            fail("realloc");
    }
    taken[ended++] = nanoseconds;
}

int main(int argc, char **argv)
{
    if (argc != 4 || atoi(argv[2]) < 1 || atoi(argv[2]) > MOST_CLIENTS)
        return fprintf(stderr, "usage: load PORT CLIENTS SECONDS\n"), 2;
    server.sin_port = htons((unsigned short)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int count = atoi(argv[2]);
    const long long begun = now(), deadline = begun + (long long)(1e9 * atof(argv[3]));

    for (int i = 0; i < count; i++)
        begin(i);
    for (int active = count; active > 0;) {
        if (poll(polled, (nfds_t)count, STALLED_MILLISECONDS) <= 0)
            fail("poll");
        for (int i = 0; i < count; i++) {
            if (polled[i].fd < 0 || polled[i].revents == 0 || !proceed(i))
                continue;
            note(now() - clients[i].begun);
            end(i);
            if (now() < deadline)
                begin(i);
            else
                active--;
        }
    }
    printf("%lld\n", now() - begun);
    for (size_t i = 0; i < ended; i++)
        printf("%lld\n", taken[i]);
    return 0;
}
