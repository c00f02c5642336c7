# Copyright (c) 2026 The IOVTee for Open vSwitch authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

# Unit programs.  One file per line, sorted.

# What the unit programs share is compiled once: the driver of a guest, which
# is pure; queues with a guest; and a device in place of ethdev's, whose objects
# come before the real one's.
check_LIBRARIES += tests/unit/libguest-driver.a
tests_unit_libguest_driver_a_SOURCES = \
	tests/unit/guest-driver.c \
	tests/unit/guest-driver.h \
	tests/unit/unit.h

check_LIBRARIES += tests/unit/libqueue-fixtures.a
tests_unit_libqueue_fixtures_a_SOURCES = \
	tests/unit/rxvq-fixture.c \
	tests/unit/rxvq-fixture.h \
	tests/unit/txvq-fixture.c \
	tests/unit/txvq-fixture.h \
	tests/unit/unit-eal.h
tests_unit_libqueue_fixtures_a_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_libqueue_fixtures_a_CFLAGS = $(lib_libiovtee_a_CFLAGS)

check_LIBRARIES += tests/unit/libfake-ethdev.a
tests_unit_libfake_ethdev_a_SOURCES = \
	tests/unit/fake-ethdev-private.h \
	tests/unit/fake-ethdev-tx.c \
	tests/unit/fake-ethdev.c \
	tests/unit/fake-ethdev.h
tests_unit_libfake_ethdev_a_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_libfake_ethdev_a_CFLAGS = $(lib_libiovtee_a_CFLAGS)

UNIT_CORE_LIBS = \
	tests/unit/libguest-driver.a \
	lib/libiovtee-core.a
UNIT_QUEUE_LIBS = \
	tests/unit/libqueue-fixtures.a \
	tests/unit/libguest-driver.a \
	$(UNIT_OVS_LIBS)
UNIT_QUEUE_BUILT = \
	tests/unit/libqueue-fixtures.a \
	tests/unit/libguest-driver.a \
	$(UNIT_OVS_BUILT)
UNIT_NIC_LIBS = \
	$(tests_unit_libfake_ethdev_a_OBJECTS) \
	$(UNIT_QUEUE_LIBS)
UNIT_NIC_BUILT = \
	$(tests_unit_libfake_ethdev_a_OBJECTS) \
	$(UNIT_QUEUE_BUILT)

# A unit program of a pure module links with libiovtee-core.a only, so that a
# module that is not pure does not link.
check_PROGRAMS += tests/unit/test-busfault
tests_unit_test_busfault_SOURCES = tests/unit/test-busfault.c tests/unit/unit.h
tests_unit_test_busfault_LDADD = $(UNIT_CORE_LIBS)

check_PROGRAMS += tests/unit/test-recent
tests_unit_test_recent_SOURCES = tests/unit/test-recent.c tests/unit/unit.h
tests_unit_test_recent_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/unit/test-exposure
tests_unit_test_exposure_SOURCES = tests/unit/test-exposure.c tests/unit/unit.h
tests_unit_test_exposure_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/unit/test-guestmem
tests_unit_test_guestmem_SOURCES = tests/unit/test-guestmem.c tests/unit/unit.h
tests_unit_test_guestmem_LDADD = $(UNIT_CORE_LIBS)

check_PROGRAMS += tests/unit/test-inflight
tests_unit_test_inflight_SOURCES = \
	tests/unit/inflight-fixture.h \
	tests/unit/test-inflight.c \
	tests/unit/unit.h
tests_unit_test_inflight_LDADD = $(UNIT_CORE_LIBS)

check_PROGRAMS += tests/unit/test-inflight-steps
tests_unit_test_inflight_steps_SOURCES = \
	tests/unit/inflight-fixture.h \
	tests/unit/test-inflight-steps.c \
	tests/unit/unit.h
tests_unit_test_inflight_steps_LDADD = $(UNIT_CORE_LIBS)

check_PROGRAMS += tests/unit/test-ledger
tests_unit_test_ledger_SOURCES = tests/unit/test-ledger.c tests/unit/unit.h
tests_unit_test_ledger_LDADD = $(UNIT_CORE_LIBS)

check_PROGRAMS += tests/unit/test-shift
tests_unit_test_shift_SOURCES = tests/unit/test-shift.c tests/unit/unit.h
tests_unit_test_shift_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/unit/test-lend
tests_unit_test_lend_SOURCES = tests/unit/test-lend.c tests/unit/unit.h
tests_unit_test_lend_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/unit/test-stop-budget
tests_unit_test_stop_budget_SOURCES = \
	tests/unit/test-stop-budget.c \
	tests/unit/unit.h
tests_unit_test_stop_budget_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/unit/test-vf
tests_unit_test_vf_SOURCES = tests/unit/test-vf.c tests/unit/unit.h
tests_unit_test_vf_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/unit/test-vring
tests_unit_test_vring_SOURCES = \
	tests/unit/test-vring.c \
	tests/unit/vring-fixture.h \
	tests/unit/unit.h
tests_unit_test_vring_LDADD = $(UNIT_CORE_LIBS)

check_PROGRAMS += tests/unit/test-vring-hostile
tests_unit_test_vring_hostile_SOURCES = \
	tests/unit/test-vring-hostile.c \
	tests/unit/vring-fixture.h \
	tests/unit/unit.h
tests_unit_test_vring_hostile_LDADD = $(UNIT_CORE_LIBS)

check_PROGRAMS += tests/unit/test-vring-notify
tests_unit_test_vring_notify_SOURCES = \
	tests/unit/test-vring-notify.c \
	tests/unit/vring-fixture.h \
	tests/unit/unit.h
tests_unit_test_vring_notify_LDADD = $(UNIT_CORE_LIBS)

# A unit program that needs DPDK or Open vSwitch's library, too, is like these.
check_PROGRAMS += tests/unit/test-border
tests_unit_test_border_SOURCES = \
	tests/unit/border-fixture.h \
	tests/unit/test-border.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_border_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_border_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_border_LDADD = \
	$(lib_libiovtee_border_a_OBJECTS) \
	$(UNIT_OVS_LIBS)
tests_unit_test_border_DEPENDENCIES = \
	$(lib_libiovtee_border_a_OBJECTS) \
	$(UNIT_OVS_BUILT)
tests_unit_test_border_LINK = \
	$(OVS_LINK) $(IOVTEE_BORDER_WRAPS) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-border-diverted
tests_unit_test_border_diverted_SOURCES = \
	tests/unit/border-fixture.h \
	tests/unit/test-border-diverted.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_border_diverted_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_border_diverted_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_border_diverted_LDADD = \
	$(lib_libiovtee_border_a_OBJECTS) \
	$(UNIT_OVS_LIBS)
tests_unit_test_border_diverted_DEPENDENCIES = \
	$(lib_libiovtee_border_a_OBJECTS) \
	$(UNIT_OVS_BUILT)
tests_unit_test_border_diverted_LINK = \
	$(OVS_LINK) $(IOVTEE_BORDER_WRAPS) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-border-sent
tests_unit_test_border_sent_SOURCES = \
	tests/unit/border-fixture.h \
	tests/unit/test-border-sent.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_border_sent_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_border_sent_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_border_sent_LDADD = \
	$(lib_libiovtee_border_a_OBJECTS) \
	$(UNIT_OVS_LIBS)
tests_unit_test_border_sent_DEPENDENCIES = \
	$(lib_libiovtee_border_a_OBJECTS) \
	$(UNIT_OVS_BUILT)
tests_unit_test_border_sent_LINK = \
	$(OVS_LINK) $(IOVTEE_BORDER_WRAPS) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-dp-packet
tests_unit_test_dp_packet_SOURCES = \
	tests/unit/test-dp-packet.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_dp_packet_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_dp_packet_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_dp_packet_LDADD = $(UNIT_OVS_LIBS)
tests_unit_test_dp_packet_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_unit_test_dp_packet_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-hostpool
tests_unit_test_hostpool_SOURCES = \
	tests/unit/test-hostpool.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_hostpool_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_hostpool_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_hostpool_LDADD = $(UNIT_OVS_LIBS)
tests_unit_test_hostpool_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_unit_test_hostpool_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-nic
tests_unit_test_nic_SOURCES = \
	tests/unit/nic-fixture.h \
	tests/unit/test-nic.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_nic_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_nic_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_nic_LDADD = $(UNIT_NIC_LIBS)
tests_unit_test_nic_DEPENDENCIES = $(UNIT_NIC_BUILT)
tests_unit_test_nic_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-nic-policy
tests_unit_test_nic_policy_SOURCES = \
	tests/unit/nic-fixture.h \
	tests/unit/test-nic-policy.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_nic_policy_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_nic_policy_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_nic_policy_LDADD = $(UNIT_NIC_LIBS)
tests_unit_test_nic_policy_DEPENDENCIES = $(UNIT_NIC_BUILT)
tests_unit_test_nic_policy_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-nic-recall
tests_unit_test_nic_recall_SOURCES = \
	tests/unit/nic-fixture.h \
	tests/unit/nic-txq-fixture.h \
	tests/unit/test-nic-recall.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_nic_recall_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_nic_recall_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_nic_recall_LDADD = $(UNIT_NIC_LIBS)
tests_unit_test_nic_recall_DEPENDENCIES = $(UNIT_NIC_BUILT)
tests_unit_test_nic_recall_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-nic-txq
tests_unit_test_nic_txq_SOURCES = \
	tests/unit/nic-fixture.h \
	tests/unit/nic-txq-fixture.h \
	tests/unit/test-nic-txq.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_nic_txq_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_nic_txq_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_nic_txq_LDADD = $(UNIT_NIC_LIBS)
tests_unit_test_nic_txq_DEPENDENCIES = $(UNIT_NIC_BUILT)
tests_unit_test_nic_txq_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-qos
tests_unit_test_qos_SOURCES = \
	tests/unit/test-qos.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_qos_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_qos_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_qos_LDADD = $(UNIT_OVS_LIBS)
tests_unit_test_qos_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_unit_test_qos_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-ringstats
tests_unit_test_ringstats_SOURCES = \
	tests/unit/test-ringstats.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_ringstats_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_ringstats_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_ringstats_LDADD = $(UNIT_OVS_LIBS)
tests_unit_test_ringstats_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_unit_test_ringstats_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

# Its fake librte_vhost comes before the real one.
check_PROGRAMS += tests/unit/test-session
tests_unit_test_session_SOURCES = \
	tests/unit/fake-vhost-api.c \
	tests/unit/fake-vhost-private.h \
	tests/unit/fake-vhost.c \
	tests/unit/fake-vhost.h \
	tests/unit/session-fixture.c \
	tests/unit/session-fixture.h \
	tests/unit/test-session.c \
	tests/unit/unit.h
tests_unit_test_session_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_session_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_session_LDADD = $(UNIT_OVS_LIBS)
tests_unit_test_session_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_unit_test_session_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-tee
tests_unit_test_tee_SOURCES = \
	tests/unit/test-tee.c \
	tests/unit/unit.h
tests_unit_test_tee_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_tee_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_tee_LDADD = $(UNIT_OVS_LIBS)
tests_unit_test_tee_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_unit_test_tee_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-reader
tests_unit_test_reader_SOURCES = \
	tests/unit/test-reader.c \
	tests/unit/unit.h
tests_unit_test_reader_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_reader_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_reader_LDADD = $(UNIT_OVS_LIBS)
tests_unit_test_reader_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_unit_test_reader_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-rxvq
tests_unit_test_rxvq_SOURCES = \
	tests/unit/test-rxvq.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_rxvq_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_rxvq_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_rxvq_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_rxvq_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_rxvq_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-rxvq-copy
tests_unit_test_rxvq_copy_SOURCES = \
	tests/unit/test-rxvq-copy.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_rxvq_copy_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_rxvq_copy_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_rxvq_copy_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_rxvq_copy_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_rxvq_copy_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-rxvq-equip
tests_unit_test_rxvq_equip_SOURCES = \
	tests/unit/test-rxvq-equip.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_rxvq_equip_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_rxvq_equip_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_rxvq_equip_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_rxvq_equip_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_rxvq_equip_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-rxvq-hostile
tests_unit_test_rxvq_hostile_SOURCES = \
	tests/unit/test-rxvq-hostile.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_rxvq_hostile_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_rxvq_hostile_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_rxvq_hostile_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_rxvq_hostile_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_rxvq_hostile_LINK = $(OVS_LINK) $(LDFLAGS) \
	-Wl,--wrap=iovtee_guestmem_translate -o $@

check_PROGRAMS += tests/unit/test-rxvq-life
tests_unit_test_rxvq_life_SOURCES = \
	tests/unit/test-rxvq-life.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_rxvq_life_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_rxvq_life_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_rxvq_life_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_rxvq_life_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_rxvq_life_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-rxvq-log
tests_unit_test_rxvq_log_SOURCES = \
	tests/unit/test-rxvq-log.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_rxvq_log_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_rxvq_log_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_rxvq_log_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_rxvq_log_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_rxvq_log_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-rxvq-shift
tests_unit_test_rxvq_shift_SOURCES = \
	tests/unit/test-rxvq-shift.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_rxvq_shift_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_rxvq_shift_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_rxvq_shift_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_rxvq_shift_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_rxvq_shift_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-txvq
tests_unit_test_txvq_SOURCES = \
	tests/unit/test-txvq.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_txvq_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_txvq_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_txvq_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_txvq_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_txvq_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-txvq-hostile
tests_unit_test_txvq_hostile_SOURCES = \
	tests/unit/test-txvq-hostile.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_txvq_hostile_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_txvq_hostile_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_txvq_hostile_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_txvq_hostile_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_txvq_hostile_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-txvq-lend
tests_unit_test_txvq_lend_SOURCES = \
	tests/unit/test-txvq-lend.c \
	tests/unit/txvq-lend-fixture.h \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_txvq_lend_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_txvq_lend_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_txvq_lend_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_txvq_lend_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_txvq_lend_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-txvq-stop
tests_unit_test_txvq_stop_SOURCES = \
	tests/unit/test-txvq-stop.c \
	tests/unit/txvq-lend-fixture.h \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_txvq_stop_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_txvq_stop_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_txvq_stop_LDADD = $(UNIT_QUEUE_LIBS)
tests_unit_test_txvq_stop_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_unit_test_txvq_stop_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/unit/test-offload
tests_unit_test_offload_SOURCES = \
	tests/unit/test-offload.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_unit_test_offload_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_unit_test_offload_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_unit_test_offload_LDADD = $(UNIT_OVS_LIBS)
tests_unit_test_offload_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_unit_test_offload_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

UNIT_OVS_BUILT = lib/libiovtee.a lib/libiovtee-core.a $(OVS_BUILT)
UNIT_OVS_LIBS = \
	lib/libiovtee.a \
	lib/libiovtee-core.a \
	$(OVS_BUILD)/lib/libopenvswitch.la

$(tests_unit_libfake_ethdev_a_OBJECTS) \
$(tests_unit_libqueue_fixtures_a_OBJECTS) \
$(tests_unit_test_border_OBJECTS) \
$(tests_unit_test_border_diverted_OBJECTS) \
$(tests_unit_test_border_sent_OBJECTS) \
$(tests_unit_test_dp_packet_OBJECTS) \
$(tests_unit_test_hostpool_OBJECTS) \
$(tests_unit_test_nic_OBJECTS) \
$(tests_unit_test_nic_policy_OBJECTS) \
$(tests_unit_test_nic_recall_OBJECTS) \
$(tests_unit_test_nic_txq_OBJECTS) \
$(tests_unit_test_qos_OBJECTS) \
$(tests_unit_test_ringstats_OBJECTS) \
$(tests_unit_test_session_OBJECTS) \
$(tests_unit_test_tee_OBJECTS) \
$(tests_unit_test_reader_OBJECTS) \
$(tests_unit_test_rxvq_OBJECTS) \
$(tests_unit_test_rxvq_copy_OBJECTS) \
$(tests_unit_test_rxvq_equip_OBJECTS) \
$(tests_unit_test_rxvq_hostile_OBJECTS) \
$(tests_unit_test_rxvq_life_OBJECTS) \
$(tests_unit_test_rxvq_log_OBJECTS) \
$(tests_unit_test_rxvq_shift_OBJECTS) \
$(tests_unit_test_txvq_OBJECTS) \
$(tests_unit_test_txvq_hostile_OBJECTS) \
$(tests_unit_test_txvq_lend_OBJECTS) \
$(tests_unit_test_txvq_stop_OBJECTS) \
$(tests_unit_test_offload_OBJECTS): \
	$(OVS_CFLAGS_FILE)
