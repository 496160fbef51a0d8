/* What answer.c and start_response.c share. */
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
    int64_t sent;   /* octets of content, counted even where none go out */
    uint32_t gen;
    uint32_t received; /* streamed content that is not given back yet */
    uint16_t slot;
    bool is_head;
    bool head_sent;
    bool ended; /* the answer is complete or cut: nothing more goes out */
    bool excess;
    bool final; /* nothing will be left to do after the answer */
    bool done;
    bool over;  /* the request is */
    bool asked; /* for streamed content */
};

struct Write {
    PyObject_HEAD vectorcallfunc vectorcall;
    Answer *answer; /* borrowed; NULL once it is gone or used for another request */
};

int answer_chunk(Answer *self, PyObject *chunk);
bool answer_gone(const Answer *self);

/* report.c. The application raised; broke a rule, as text says (NULL: text could not be made); or gave so
 * many octets more than its Content-Length, which is told once. No exception is set afterwards. */
void answer_failed(Answer *self, PyObject *error);
void answer_misdeed(Answer *self, PyObject *text);
void answer_report_cut(Answer *self, int64_t octets);

#endif
