// Queries of the DHT at a constant rate from many addresses, some of the datagrams malformed.
//
// usage: dht_flood ADDRESS PORT RATE SECONDS SOURCES MALFORMED_PERCENT
//
// Sends ping, find_node, get_peers and announce_peer (with the token that the node gave to that address)
// from the SOURCES addresses 10.70.0.1 and after, which must be local, and counts the replies. Prints one
// line of JSON each second: what was sent and what came, in that second.
//
// One socket: the address from which a datagram leaves is said by IP_PKTINFO, a batch at a time.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 32, BYTES_MAX = 1500, SOURCES_MAX = 60000, TOKEN_MAX = 32, PORT_OURS = 7000, HASHES = 2000 };

enum { PING, FIND_NODE, GET_PEERS, ANNOUNCE, MALFORMED, KINDS };

static const char *const names[KINDS] = {"ping", "find_node", "get_peers", "announce_peer", "malformed"};

struct token { uint8_t length, bytes[TOKEN_MAX]; };

static struct token tokens[SOURCES_MAX];
static uint64_t state = 88172645463325252ull;

static uint64_t draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void fill(uint8_t *at, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = draw();
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

// An id: of the node at a source, always the same, or of one of the HASHES torrents.
static void name(uint8_t *at, uint64_t number) {
    for (int i = 0; i < 20; i++) {
        number = number * 6364136223846793005ull + 1442695040888963407ull;
        at[i] = number >> 56;
    }
}

static uint8_t *text(uint8_t *at, const char *words) {
    int bytes = strlen(words);
    memcpy(at, words, bytes);
    return at + bytes;
}

// The kind is the first byte of the transaction id, the source the other three.
static int query(uint8_t *out, int kind, uint32_t source) {
    uint8_t *at = text(out, "d1:ad2:id20:");
    name(at, 1000000 + source);
    at += 20;
    uint64_t torrent = source % HASHES; // Always the same: libtorrent's tokens are for one torrent.
    if (kind == FIND_NODE) {
        at = text(at, "6:target20:");
        fill(at, 20);
        at += 20;
    }
    if (kind == ANNOUNCE) at = text(at, "12:implied_porti1e");
    if (kind == GET_PEERS || kind == ANNOUNCE) {
        at = text(at, "9:info_hash20:");
        name(at, torrent);
        at += 20;
    }
    if (kind == ANNOUNCE) {
        char head[32];
        sprintf(head, "4:porti%de5:token%d:", PORT_OURS, tokens[source].length);
        at = text(at, head);
        memcpy(at, tokens[source].bytes, tokens[source].length);
        at += tokens[source].length;
    }
    char tail[32];
    sprintf(tail, "e1:q%zu:", strlen(names[kind]));
    at = text(at, tail);
    at = text(at, names[kind]);
    at = text(at, "1:t4:");
    *at++ = 'a' + kind;
    *at++ = source >> 16;
    *at++ = source >> 8;
    *at++ = source;
    at = text(at, "1:y1:qe");
    return at - out;
}

// Each hurts in another place: no bencode at all, cut off, one byte changed, nested, a length that lies,
// an id that is too short, a query that is none.
static int malformed(uint8_t *out, uint32_t source) {
    int bytes = query(out, draw() % ANNOUNCE, source);
    switch (draw() % 7) {
    case 0: fill(out, bytes); return bytes;
    case 1: return draw() % bytes;
    case 2: out[draw() % bytes] ^= 1 << draw() % 8; return bytes;
    case 3: memset(out, 'l', 1400); return 1400;
    case 4: return text(out, "d1:ad2:id99999999999:abcde1:q4:ping1:t2:aa1:y1:qe") - out;
    case 5: return text(out, "d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe") - out;
    default: return text(out, "d1:q4:pingi1e1:t2:aa1:y1:qe") - out;
    }
}

static const uint8_t *find(const uint8_t *in, int bytes, const char *words) {
    return memmem(in, bytes, words, strlen(words));
}

// Counts a reply by the kind of its query; keeps a token.
static int reply(const uint8_t *in, int bytes, uint64_t *replies) {
    const uint8_t *transaction = find(in, bytes, "1:t4:");
    if (!find(in, bytes, "1:y1:r") || !transaction || transaction + 9 > in + bytes) return 0;
    int kind = transaction[5] - 'a';
    uint32_t source = transaction[6] << 16 | transaction[7] << 8 | transaction[8];
    if (kind < 0 || kind >= MALFORMED || source >= SOURCES_MAX) return 0;
    replies[kind]++;
    const uint8_t *token = find(in, bytes, "5:token");
    if (kind == GET_PEERS && token) {
        char *end;
        long length = strtol((const char *)token + 7, &end, 10);
        if (*end == ':' && length > 0 && length <= TOKEN_MAX && (uint8_t *)end + 1 + length <= in + bytes) {
            tokens[source].length = length;
            memcpy(tokens[source].bytes, end + 1, length);
        }
    }
    return 1;
}

static int drain(int fd, uint64_t *replies, uint64_t *others) {
    static uint8_t in[BATCH][BYTES_MAX + 1];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){in[i], BYTES_MAX};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    int got = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) {
        in[i][messages[i].msg_len] = 0;
        if (!reply(in[i], messages[i].msg_len, replies)) ++*others;
    }
    return got;
}

static int choose(uint32_t source, int malformed_percent) {
    if ((int)(draw() % 100) < malformed_percent) return MALFORMED;
    switch (draw() % 10) {
    case 0: case 1: case 2: return PING;
    case 3: case 4: case 5: return FIND_NODE;
    case 6: if (tokens[source].length) return ANNOUNCE; // Falls through.
    default: return GET_PEERS;
    }
}

static void send_batch(int fd, const struct sockaddr_in *to, uint32_t sources, int malformed_percent, uint64_t *sent) {
    static uint8_t out[BATCH][BYTES_MAX];
    static union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))]; } control[BATCH];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    int kinds[BATCH];
    for (int i = 0; i < BATCH; i++) {
        uint32_t source = draw() % sources;
        kinds[i] = choose(source, malformed_percent);
        int bytes = kinds[i] == MALFORMED ? malformed(out[i], source) : query(out[i], kinds[i], source);
        parts[i] = (struct iovec){out[i], bytes};
        messages[i] = (struct mmsghdr){.msg_hdr = {
            .msg_name = (void *)to, .msg_namelen = sizeof *to, .msg_iov = &parts[i], .msg_iovlen = 1,
            .msg_control = control[i].bytes, .msg_controllen = sizeof control[i].bytes}};
        struct cmsghdr *about = CMSG_FIRSTHDR(&messages[i].msg_hdr);
        about->cmsg_level = IPPROTO_IP;
        about->cmsg_type = IP_PKTINFO;
        about->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        struct in_pktinfo from = {.ipi_spec_dst = {htonl(0x0a460001 + source)}};
        memcpy(CMSG_DATA(about), &from, sizeof from);
    }
    int done = sendmmsg(fd, messages, BATCH, 0);
    for (int i = 0; i < done; i++) sent[kinds[i]]++;
    if (done < 0 && errno != EAGAIN && errno != ECONNREFUSED) perror("sendmmsg"), exit(1);
}

static void report(double second, const uint64_t *sent, const uint64_t *replies, uint64_t others) {
    printf("{\"second\": %.2f", second);
    for (int i = 0; i < KINDS; i++) printf(", \"%s\": [%lu, %lu]", names[i], sent[i], i < MALFORMED ? replies[i] : 0);
    printf(", \"others\": %lu}\n", others);
    fflush(stdout);
}

int main(int count, char **words) {
    if (count != 7) return fprintf(stderr, "usage: see the source\n"), 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    struct sockaddr_in ours = {.sin_family = AF_INET, .sin_port = htons(PORT_OURS)};
    double rate = atof(words[3]), seconds = atof(words[4]);
    uint32_t sources = atoi(words[5]);
    int malformed_percent = atoi(words[6]), buffer = 8 << 20;
    if (!inet_aton(words[1], &to.sin_addr) || !sources || sources > SOURCES_MAX) return 2;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    if (bind(fd, (struct sockaddr *)&ours, sizeof ours)) return perror("bind"), 1;
    uint64_t sent[KINDS] = {0}, replies[KINDS] = {0}, others = 0, batches = 0;
    double start = now(), told = start;
    for (double at = start; at < start + seconds; at = now()) {
        // What was not sent in time is not made up for: a burst would be another test.
        if ((at - start) * rate >= (double)batches * BATCH) {
            send_batch(fd, &to, sources, malformed_percent, sent);
            batches++;
            if ((at - start) * rate > (double)(batches + 8) * BATCH) batches = (at - start) * rate / BATCH;
        }
        while (drain(fd, replies, &others) == BATCH) {}
        if (at - told >= 1) {
            report(at - start, sent, replies, others);
            memset(sent, 0, sizeof sent);
            memset(replies, 0, sizeof replies);
            others = 0;
            told = at;
        }
    }
    return 0;
}
