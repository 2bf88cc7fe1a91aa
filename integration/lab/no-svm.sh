# SPDX-License-Identifier: MIT
#
# A CPU without SVM: mvctl says so and leaves nothing behind.
#
# cpus: 2
# driver: none
# model: EPYC,-svm
# timeout: 60

. integration/lab/tap

gives 6 'no SVM' "start" $mvctl start
gives 6 'hint: .*AMD CPU' "it says what it needs" $mvctl start
gives 3 'not running' "status" $mvctl status
ok "no module is left" sh -c '! grep microv /proc/modules'
ok "the kernel log is clean" kernel_is_well
finish
