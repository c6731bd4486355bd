/* The least that a POP3 server can be: each command has an answer that was written beforehand.

   responder OCTETS

   It says on standard output, in JSON, where it listens.  It looks at the first letter of a command and
   knows no session; the answer to RETR has so many octets.  What `load.c` reaches against it is what
   `load.c` can reach. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_CLIENTS = 1000, BUFFER_OCTETS = 4096, BACKLOG = 1000, LINE_OCTETS = 72 };

static const char OK[] = "+OK\r\n";
static const char UIDS[] =
    "+OK\r\n1 a\r\n2 b\r\n3 c\r\n4 d\r\n5 e\r\n6 f\r\n7 g\r\n8 h\r\n9 i\r\n10 j\r\n.\r\n";

static char *message;
static size_t message_octets;
static struct pollfd polled[MOST_CLIENTS + 1];
static nfds_t count = 1;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void make_message(size_t octets)
{
    const size_t lines = octets / LINE_OCTETS + 1;
    message = malloc(sizeof OK + lines * LINE_OCTETS + 3);
    if (message == NULL)
        fail("malloc");
    message_octets = sizeof OK - 1;
    memcpy(message, OK, message_octets);
    for (size_t i = 0; i < lines; i++) {
        memset(message + message_octets, 'x', LINE_OCTETS - 2);
        memcpy(message + message_octets + LINE_OCTETS - 2, "\r\n", 2);
        message_octets += LINE_OCTETS;
    }
    memcpy(message + message_octets, ".\r\n", 3);
    message_octets += 3;
}

static int listener(void)
{
    struct sockaddr_in place = {.sin_family = AF_INET};
    socklen_t size = sizeof place;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&place, size) < 0 || listen(fd, BACKLOG) < 0)
        fail("listen");
    if (getsockname(fd, (struct sockaddr *)&place, &size) < 0)
        fail("getsockname");
    printf("{\"host\": \"127.0.0.1\", \"port\": %d}\n", ntohs(place.sin_port));
    fflush(stdout);
    return fd;
}

static void greet(int fd)
{
    const int on = 1;
    int client = accept(fd, NULL, NULL);
    if (client < 0)
        return;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (count > MOST_CLIENTS) {
        close(client);
        return;
    }
    polled[count++] = (struct pollfd){.fd = client, .events = POLLIN};
    send(client, OK, sizeof OK - 1, MSG_NOSIGNAL);
}

/* A command comes in one piece, since each waits for the answer to the one before. */
static int answer(int fd)
{
    char buffer[BUFFER_OCTETS];
    if (recv(fd, buffer, sizeof buffer, 0) <= 0)
        return 0;
    const char *octets = OK;
    size_t size = sizeof OK - 1;
    if (memcmp(buffer, "UI", 2) == 0)
        octets = UIDS, size = sizeof UIDS - 1;
    else if (buffer[0] == 'R')
        octets = message, size = message_octets;
    return send(fd, octets, size, MSG_NOSIGNAL) == (ssize_t)size;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return fprintf(stderr, "usage: responder OCTETS\n"), 2;
    make_message((size_t)atol(argv[1]));
    polled[0] = (struct pollfd){.fd = listener(), .events = POLLIN};
    while (poll(polled, count, -1) > 0) {
        for (nfds_t i = count - 1; i > 0; i--) {
            if (polled[i].revents != 0 && !answer(polled[i].fd)) {
                close(polled[i].fd);
                polled[i] = polled[--count];
            }
        }
        if (polled[0].revents != 0)
            greet(polled[0].fd);
    }
    fail("poll");
}
