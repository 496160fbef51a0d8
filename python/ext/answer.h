/* What the files about answers share. */
#ifndef RICKHOUSE_ANSWER_H
#define RICKHOUSE_ANSWER_H

#include "rickhouse.h"

/* Answer is start_response; its companion Write is what start_response returns. */
typedef struct Write Write;

struct Answer {
    PyObject_HEAD vectorcallfunc vectorcall;
    Link *link;
    Write *write;
    PyObject *method, *path;
    struct head head;
    struct place last; /* the frame that was appended last */
    uint64_t started;
    uint64_t spent; /* of the window */
    int64_t given;  /* octets of content that the application gave, within its Content-Length */
    int64_t sent;   /* of those, what went out */
    uint32_t gen;
    uint32_t received; /* streamed content that is not given back yet */
    uint16_t slot;
    bool is_head;
    bool head_sent;
    bool ended; /* the answer is complete or cut: nothing more goes out */
    bool excess;
    bool of_file; /* more than Content-Length is no mistake then (PEP 3333, file_wrapper) */
    bool final;   /* nothing will be left to do after the answer */
    bool done;
    bool over;  /* the request is */
    bool asked; /* for streamed content */
};

struct Write {
    PyObject_HEAD vectorcallfunc vectorcall;
    Answer *answer; /* borrowed; NULL once it is gone or used for another request */
};

/* send.c. -1 is with an exception. */
bool answer_gone(const Answer *self);
/* The answer has no content, whatever the application gives. */
bool answer_silent(const Answer *self);
int answer_check_started(const Answer *self);
/* The Content-Length to announce: what the application said, or what is known, or -1. */
int64_t answer_announced(const Answer *self, int64_t known);
int answer_send_head(Answer *self, int64_t known, int flags);
/* Sends content within the Content-Length and the window; data must live until this returns. last: it is all
 * that is left. */
int answer_send(Answer *self, const char *data, size_t len, int64_t known, bool last);
/* A piece of the answer; what follows it is not known. */
int answer_chunk(Answer *self, PyObject *chunk);
/* Sends part of a file behind the head. complete: it is all that is left. */
void answer_send_file(Answer *self, int fd, int64_t offset, int64_t length, bool complete);
/* The application has given everything. */
int answer_end(Answer *self);
/* The answer ends here, and why. */
void answer_cut_off(Answer *self, PyObject *why);
/* The application has finished with the request. */
void answer_done(Answer *self);

/* report.c. The application raised; broke a rule, as text says (NULL: text could not be made); or gave so
 * many octets, more than its Content-Length, which is told once, if it is a mistake. No exception is set
 * afterwards. */
void answer_failed(Answer *self, PyObject *error);
void answer_misdeed(Answer *self, PyObject *text);
void answer_report_cut(Answer *self, int64_t given);

#endif
