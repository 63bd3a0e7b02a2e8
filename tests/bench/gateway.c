/* A gateway that costs almost nothing: one thread, one answer, over HTTP/1.1 that is kept alive.
 *
 *     gateway [--delay MS] [--chunks N] [--gap MS]
 *
 * It binds a free port of 127.0.0.1 and says it on stdout. Each request, whatever it asks, is
 * answered after the delay: with one body, or with a stream of so many chunks of text, a usage and
 * an end; all of them in one write, or a gap apart. It ends when its stdin does, so that it never
 * outlives who started it.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, MOST_FDS = 1 << 16, HEAD = 1 << 16, TEXT = 1 << 20 };

/* What has come of a request: its head until it is whole, then how much of its body is missing. */
struct connection {
    char *head;
    size_t have;
    size_t missing;
    int part; /* of the answer: how many of its pieces are written */
};

/* Who is to be written to, in the order of time: every wait of a queue is equally long. */
struct queue {
    long long wait; /* ns */
    struct { int fd; long long due; } *turns;
    size_t first, count, room;
};

static struct connection *connections[MOST_FDS];
static struct queue delayed, gapped;
static char *pieces[1 << 12];
static size_t sizes[1 << 12];
static int piece_count;
static int epoll;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static long long now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void push(struct queue *queue, int fd)
{
    if (queue->count == queue->room) {
        size_t room = queue->room ? 2 * queue->room : 1024;
        void *turns = malloc(room * sizeof *queue->turns);
        if (!turns)
            fail("malloc");
        for (size_t n = 0; n < queue->count; n++)
            memcpy((char *)turns + n * sizeof *queue->turns,
                   &queue->turns[(queue->first + n) % queue->room], sizeof *queue->turns);
        free(queue->turns);
        queue->turns = turns;
        queue->first = 0;
        queue->room = room;
    }
    size_t place = (queue->first + queue->count++) % queue->room;
    queue->turns[place].fd = fd;
    queue->turns[place].due = now() + queue->wait;
}

/* The one place that waits for a socket: whoever asks so much reads it at once. */
static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t done = send(fd, data, size, MSG_NOSIGNAL);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            if (poll(&ready, 1, 1000) <= 0)
                return -1;
        } else if (done < 0) {
            return -1;
        } else {
            data += done;
            size -= (size_t)done;
        }
    }
    return 0;
}

static void drop(int fd)
{
    free(connections[fd]->head);
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

/* Write the next piece, or all that are left where there is no gap. */
static void answer(int fd)
{
    struct connection *peer = connections[fd];
    if (!peer)
        return;
    do {
        if (write_all(fd, pieces[peer->part], sizes[peer->part]) < 0) {
            drop(fd);
            return;
        }
        peer->part++;
    } while (peer->part < piece_count && !gapped.wait);
    if (peer->part < piece_count)
        push(&gapped, fd);
}

static void asked(int fd)
{
    connections[fd]->part = 0;
    if (delayed.wait)
        push(&delayed, fd);
    else
        answer(fd);
}

/* Take note of what a head says of its body, once it is whole. Returns whether it is. */
static int whole_head(struct connection *peer)
{
    char *end = memmem(peer->head, peer->have, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *end = 0;
    char *length = strcasestr(peer->head, "\r\ncontent-length:");
    peer->missing = length ? strtoul(length + 17, NULL, 10) : 0;
    size_t beyond = peer->have - (size_t)(end + 4 - peer->head);
    peer->have = 0;
    peer->missing -= beyond < peer->missing ? beyond : peer->missing;
    return 1;
}

static void readable(int fd)
{
    static char body[1 << 18];
    struct connection *peer = connections[fd];
    for (;;) {
        int in_body = peer->missing > 0;
        char *into = in_body ? body : peer->head + peer->have;
        size_t room = in_body ? sizeof body : HEAD - peer->have - 1;
        if (!room) {
            drop(fd);
            return;
        }
        ssize_t got = read(fd, into, room);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            drop(fd);
            return;
        }
        if (in_body) {
            peer->missing -= (size_t)got < peer->missing ? (size_t)got : peer->missing;
        } else {
            peer->have += (size_t)got;
            if (!whole_head(peer))
                continue;
        }
        if (!peer->missing) {
            asked(fd);
            return; /* nobody asks again before the answer */
        }
    }
}

static void welcome(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (fd >= MOST_FDS || !(connections[fd] = calloc(1, sizeof *connections[fd])))
            fail("too many connections");
        if (!(connections[fd]->head = malloc(HEAD)))
            fail("malloc");
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("epoll_ctl");
    }
}

/* Write to all whose turn has come; return how long the next one has still to wait, -1 for ever. */
static long long serve(struct queue *queue)
{
    long long at = now();
    while (queue->count) {
        long long left = queue->turns[queue->first].due - at;
        if (left > 0)
            return left;
        int fd = queue->turns[queue->first].fd;
        queue->first = (queue->first + 1) % queue->room;
        queue->count--;
        answer(fd);
    }
    return -1;
}

static void piece(const char *format, ...)
{
    static char text[TEXT];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (size >= (int)sizeof text || piece_count >= (int)(sizeof sizes / sizeof *sizes)) {
        fputs("too long an answer\n", stderr);
        exit(1);
    }
    pieces[piece_count] = strdup(text);
    sizes[piece_count++] = (size_t)size;
}

#define TOP "HTTP/1.1 200 OK\r\nDate: Fri, 27 Nov 2026 00:00:00 GMT\r\nServer: bench\r\n" \
            "X-Request-Id: 0123456789abcdef\r\nCache-Control: no-cache\r\n"
#define ABOUT "\"id\":\"chatcmpl-0123456789abcdef\",\"created\":1760000000,\"model\":\"gpt-4o-mini\","
#define USAGE "\"usage\":{\"prompt_tokens\":140,\"completion_tokens\":60,\"total_tokens\":200," \
              "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0}," \
              "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0," \
              "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}"
#define SAID "The review praises the fit and the fabric, complains about a late parcel, and says " \
             "that its writer would buy again. On the whole it is positive, if only just."

static void event(const char *data)
{
    piece("%zx\r\ndata: %s\n\n\r\n", strlen(data) + 8, data);
}

static void say_streamed(int chunks)
{
    static char data[TEXT];
    piece(TOP "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int n = 0; n < chunks; n++) {
        snprintf(data, sizeof data,
                 "{" ABOUT "\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
                 "\"delta\":{%s\"content\":\" word%d\"},\"logprobs\":null,\"finish_reason\":%s}]}",
                 n ? "" : "\"role\":\"assistant\",", n, n == chunks - 1 ? "\"stop\"" : "null");
        event(data);
    }
    event("{" ABOUT "\"object\":\"chat.completion.chunk\",\"choices\":[]," USAGE "}");
    piece("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
}

static void say_whole(void)
{
    static const char body[] =
        "{" ABOUT "\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\",\"content\":\"" SAID "\",\"refusal\":null},\"logprobs\":null,"
        "\"finish_reason\":\"stop\"}]," USAGE ",\"system_fingerprint\":\"fp_0123456789\"}";
    piece(TOP "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
          sizeof body - 1, body);
}

/* All pieces as one, where they are written together: one write, as one would be a reply's. */
static void join(void)
{
    static char whole[1 << 22];
    size_t size = 0;
    for (int n = 0; n < piece_count; n++) {
        if (size + sizes[n] > sizeof whole) {
            fputs("too long an answer\n", stderr);
            exit(1);
        }
        memcpy(whole + size, pieces[n], sizes[n]);
        size += sizes[n];
    }
    pieces[0] = whole;
    sizes[0] = size;
    piece_count = 1;
}

static int listen_anywhere(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        fail("listen");
    printf("http://127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
}

int main(int argc, char **argv)
{
    int chunks = 0;
    for (int n = 1; n + 1 < argc; n += 2) {
        double value = atof(argv[n + 1]);
        if (!strcmp(argv[n], "--delay"))
            delayed.wait = (long long)(value * 1e6);
        else if (!strcmp(argv[n], "--gap"))
            gapped.wait = (long long)(value * 1e6);
        else if (!strcmp(argv[n], "--chunks"))
            chunks = (int)value;
    }
    if (chunks)
        say_streamed(chunks);
    else
        say_whole();
    if (!gapped.wait)
        join();
    epoll = epoll_create1(0);
    int listener = listen_anywhere();
    watch(listener);
    watch(STDIN_FILENO);
    for (;;) {
        long long left = serve(&delayed), gap = serve(&gapped);
        if (left < 0 || (gap >= 0 && gap < left))
            left = gap;
        struct timespec wait = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        struct epoll_event events[EVENTS];
        int count = epoll_pwait2(epoll, events, EVENTS, left < 0 ? NULL : &wait, NULL);
        for (int n = 0; n < count; n++) {
            int fd = events[n].data.fd;
            if (fd == listener)
                welcome(fd);
            else if (fd == STDIN_FILENO)
                return 0;
            else if (connections[fd])
                readable(fd);
        }
    }
}
