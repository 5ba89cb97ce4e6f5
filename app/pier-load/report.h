/*
 * What a run says: a line each second and a summary for people, JSON for programs.
 */
#ifndef PIER_LOAD_REPORT_H
#define PIER_LOAD_REPORT_H

#include <stdio.h>

#include "plan.h"

/* Rates are of the second between last and now. */
void report_line(FILE *to, uint64_t second, enum gen_phase phase, uint64_t open,
		 const struct load_counts *last, const struct load_counts *now);

/* The summary, and whether what was expected holds. */
void report_summary(FILE *to, const struct load_plan *p, const struct load_result *r);
bool report_expects(FILE *to, const struct load_plan *p, const struct load_result *r);

/* The same as JSON. False: it could not be written. */
bool report_json(FILE *to, const struct load_plan *p, const struct load_result *r);

/* "12.3 k", "1.05 ms": three digits that count; buf is returned. */
#define REPORT_LEN 32
const char *report_number(double v, char buf[REPORT_LEN]);
const char *report_time(double seconds, char buf[REPORT_LEN]);

#endif
