/*
 * Copyright (c) 2026 The IOVTee for Open vSwitch authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

#include "guest/exposure.h"

/* Some frames are everybody's, such as broadcasts that are flooded, and some
 * are dropped wherever they arrive.  Too many are TOO_MANY percent and more,
 * until they are fewer than FEW.  Fewer than FRAMES frames say nothing. */
enum { TOO_MANY = 10, FEW = 5, FRAMES = 1000 };

/* Tells '*e' that so far 'n_delivered' frames were delivered to the guest,
 * wherever they had been before, and 'n_exposed' were exposed to it.  Returns
 * true if 'e->high' has changed. */
bool
iovtee_exposure_judge(struct iovtee_exposure *e, uint64_t n_delivered,
                      uint64_t n_exposed)
{
    uint64_t exposed = n_exposed - e->n_exposed;
    uint64_t n = n_delivered - e->n_delivered + exposed;
    bool was_high = e->high;

    if (n < FRAMES) {
        return false;
    }
    e->n_delivered = n_delivered;
    e->n_exposed = n_exposed;
    e->percent = exposed * 100 / n;
    e->high = e->percent >= (was_high ? FEW : TOO_MANY);
    return e->high != was_high;
}
