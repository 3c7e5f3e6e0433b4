BEGIN TRANSACTION;
CREATE TABLE checkpoint_diff_blobs (
        thread_id TEXT NOT NULL,
        from_turn_count INTEGER NOT NULL
            CONSTRAINT ck_checkpoint_diff_blobs_from_turn_count CHECK (from_turn_count >= 0),
        to_turn_count INTEGER NOT NULL
            CONSTRAINT ck_checkpoint_diff_blobs_to_turn_count CHECK (to_turn_count >= 0),
        diff TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT
    ;
CREATE TABLE orchestration_command_receipts (
        command_id TEXT NOT NULL PRIMARY KEY,
        aggregate_kind TEXT NOT NULL
            CONSTRAINT ck_orchestration_command_receipts_aggregate_kind
            CHECK (aggregate_kind IN ('project', 'thread')),
        aggregate_id TEXT NOT NULL,
        accepted_at TEXT NOT NULL,
        result_sequence INTEGER NOT NULL
            CONSTRAINT ck_orchestration_command_receipts_result_sequence CHECK (result_sequence >= 0),
        status TEXT NOT NULL
            CONSTRAINT ck_orchestration_command_receipts_status CHECK (status IN ('accepted', 'rejected')),
        error TEXT
    ) STRICT
    ;
INSERT INTO "orchestration_command_receipts" VALUES('readme-01','project','bakery','2026-12-01T01:23:51.173Z',1,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-02','thread','opening-hours','2026-12-01T01:23:51.181Z',2,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-03','thread','opening-hours','2026-12-01T01:23:51.185Z',3,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-04','thread','opening-hours','2026-12-01T01:23:51.190Z',5,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-05','thread','opening-hours','2026-12-01T01:23:51.197Z',6,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-06','thread','opening-hours','2026-12-01T01:23:51.202Z',7,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-07','thread','opening-hours','2026-12-01T01:23:51.205Z',8,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-08','thread','opening-hours','2026-12-01T01:23:51.208Z',9,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-09','thread','opening-hours','2026-12-01T01:23:51.211Z',10,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-10','thread','opening-hours','2026-12-01T01:23:51.214Z',11,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-11','thread','opening-hours','2026-12-01T01:23:51.227Z',12,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-12','thread','opening-hours','2026-12-01T01:23:51.230Z',13,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-13','thread','opening-hours','2026-12-01T01:23:51.232Z',14,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-14','thread','opening-hours','2026-12-01T01:23:51.236Z',15,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-15','thread','opening-hours','2026-12-01T01:23:51.238Z',16,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-16','thread','opening-hours','2026-12-01T01:23:51.244Z',17,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-17','thread','opening-hours','2026-12-01T01:23:51.247Z',19,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-18','thread','opening-hours','2026-12-01T01:23:51.251Z',20,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-19','thread','opening-hours','2026-12-01T01:23:51.254Z',21,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-20','thread','opening-hours','2026-12-01T01:23:51.256Z',22,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-21','thread','opening-hours','2026-12-01T01:23:51.258Z',23,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-22','thread','opening-hours','2026-12-01T01:23:51.259Z',24,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-23','thread','opening-hours','2026-12-01T01:23:51.260Z',25,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-24','thread','opening-hours','2026-12-01T01:23:51.262Z',26,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-25','thread','opening-hours','2026-12-01T01:23:51.264Z',27,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-26','thread','price-list','2026-12-01T01:23:51.270Z',28,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-27','thread','price-list','2026-12-01T01:23:51.273Z',30,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-28','thread','price-list','2026-12-01T01:23:51.277Z',31,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-29','thread','price-list','2026-12-01T01:23:51.279Z',32,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-30','thread','price-list','2026-12-01T01:23:51.281Z',33,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-31','thread','price-list','2026-12-01T01:23:51.283Z',34,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-32','thread','price-list','2026-12-01T01:23:51.284Z',36,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('readme-33','project','garden','2026-12-01T01:23:51.287Z',37,'accepted',NULL);
INSERT INTO "orchestration_command_receipts" VALUES('queued-1','thread','price-list','2026-12-01T01:23:52.060Z',39,'accepted',NULL);
CREATE TABLE orchestration_events (
        sequence INTEGER NOT NULL PRIMARY KEY
            CONSTRAINT ck_orchestration_events_sequence CHECK (sequence >= 1),
        event_id TEXT NOT NULL,
        aggregate_kind TEXT NOT NULL
            CONSTRAINT ck_orchestration_events_aggregate_kind CHECK (aggregate_kind IN ('project', 'thread')),
        stream_id TEXT NOT NULL,
        stream_version INTEGER NOT NULL
            CONSTRAINT ck_orchestration_events_stream_version CHECK (stream_version >= 1),
        event_type TEXT NOT NULL,
        occurred_at TEXT NOT NULL,
        command_id TEXT,
        causation_event_id TEXT,
        correlation_id TEXT,
        actor_kind TEXT NOT NULL
            CONSTRAINT ck_orchestration_events_actor_kind
            CHECK (actor_kind IN ('client', 'server', 'provider')),
        payload_json TEXT NOT NULL
            CONSTRAINT ck_orchestration_events_payload_json CHECK (json_valid(payload_json)),
        metadata_json TEXT NOT NULL
            CONSTRAINT ck_orchestration_events_metadata_json CHECK (json_valid(metadata_json))
    ) STRICT
    ;
INSERT INTO "orchestration_events" VALUES(1,'01k8nj6t85ruhigk8pa96vul','project','bakery',1,'project.created','2026-03-01T09:00:01.000Z','readme-01',NULL,'readme-01','client','{"projectId":"bakery","title":"Bakery","workspaceRoot":"/srv/bakery","defaultModel":"small","scripts":[],"createdAt":"2026-03-01T09:00:01.000Z","updatedAt":"2026-03-01T09:00:01.000Z"}','{"commandFingerprint":"aDjqozui9ESyHRhFuBnt4w"}');
INSERT INTO "orchestration_events" VALUES(2,'01k8nj6t8d58pnq3sdo686qg','thread','opening-hours',1,'thread.created','2026-03-01T09:00:02.000Z','readme-02',NULL,'readme-02','client','{"threadId":"opening-hours","projectId":"bakery","title":"New thread","model":"small","branch":"main","worktreePath":null,"createdAt":"2026-03-01T09:00:02.000Z","updatedAt":"2026-03-01T09:00:02.000Z"}','{"commandFingerprint":"IaFnK9zu0JoxzdKkWQ2-2w"}');
INSERT INTO "orchestration_events" VALUES(3,'01k8nj6t8hbukeuuq4lsfubg','thread','opening-hours',2,'thread.meta-updated','2026-12-01T01:23:51.185Z','readme-03',NULL,'readme-03','client','{"threadId":"opening-hours","updatedAt":"2026-12-01T01:23:51.185Z","title":"Opening hours","branch":"opening-hours"}','{"commandFingerprint":"WZIrlyyXuVPTFkff6geH3g"}');
INSERT INTO "orchestration_events" VALUES(4,'01k8nj6t8npt3a3tb1hi90tn','thread','opening-hours',3,'thread.message-sent','2026-03-01T09:00:03.000Z','readme-04',NULL,'readme-04','client','{"threadId":"opening-hours","messageId":"ask-1","role":"user","text":"Open on Sundays.","turnId":null,"streaming":false,"createdAt":"2026-03-01T09:00:03.000Z","updatedAt":"2026-03-01T09:00:03.000Z","attachments":[]}','{"commandFingerprint":"mO8Kp9oRvBMp2_bbo1f7Dg"}');
INSERT INTO "orchestration_events" VALUES(5,'01k8nj6t8nofrcq0ue5ckfe8','thread','opening-hours',4,'thread.turn-start-requested','2026-03-01T09:00:03.000Z','readme-04','01k8nj6t8npt3a3tb1hi90tn','readme-04','client','{"threadId":"opening-hours","turnId":"01k8nj6t8m1u6ocq8c2c47rj","messageId":"ask-1","createdAt":"2026-03-01T09:00:03.000Z","effort":"high"}','{}');
INSERT INTO "orchestration_events" VALUES(6,'01k8nj6t8tdfpjn8h5bh5h3n','thread','opening-hours',5,'thread.session-set','2026-03-01T09:00:04.000Z','readme-05',NULL,NULL,'provider','{"threadId":"opening-hours","session":{"threadId":"opening-hours","status":"starting","providerName":"rehearsal","providerSessionId":"session-1","providerThreadId":null,"activeTurnId":null,"lastError":null,"updatedAt":"2026-03-01T09:00:04.000Z"},"createdAt":"2026-03-01T09:00:04.000Z"}','{"commandFingerprint":"kpUb1Cwa5wCJJE2clShwRA"}');
INSERT INTO "orchestration_events" VALUES(7,'01k8nj6t927pgfidtm55fjeu','thread','opening-hours',6,'thread.session-set','2026-03-01T09:00:05.000Z','readme-06','01k8nj6t8nofrcq0ue5ckfe8','readme-04','provider','{"threadId":"opening-hours","session":{"threadId":"opening-hours","status":"running","providerName":"rehearsal","providerSessionId":"session-1","providerThreadId":"agent-thread-1","activeTurnId":"turn-1","lastError":null,"updatedAt":"2026-03-01T09:00:05.000Z"},"createdAt":"2026-03-01T09:00:05.000Z","turn":{"turnCount":1,"userMessageId":"ask-1","startedAt":"2026-03-01T09:00:05.000Z"}}','{"commandFingerprint":"5X4g_R55Eeq0jthLbs0uKA"}');
INSERT INTO "orchestration_events" VALUES(8,'01k8nj6t95m18auklt7lum0l','thread','opening-hours',7,'thread.message-sent','2026-03-01T09:00:06.000Z','readme-07',NULL,NULL,'provider','{"threadId":"opening-hours","messageId":"answer-1","role":"assistant","text":"I change ","turnId":"turn-1","streaming":true,"createdAt":"2026-03-01T09:00:06.000Z","updatedAt":"2026-03-01T09:00:06.000Z"}','{"commandFingerprint":"d403HWobDjvcntIVQ7MAVg"}');
INSERT INTO "orchestration_events" VALUES(9,'01k8nj6t98la0r2p3ilcsuvs','thread','opening-hours',8,'thread.activity-appended','2026-03-01T09:00:07.000Z','readme-08',NULL,NULL,'provider','{"threadId":"opening-hours","activity":{"id":"tool-1","tone":"tool","kind":"tool.started","summary":"edit hours.txt","payload":{"path":"hours.txt"},"turnId":"turn-1","createdAt":"2026-03-01T09:00:07.000Z"},"createdAt":"2026-03-01T09:00:07.000Z"}','{"commandFingerprint":"jehK3_i24bv5PlS-PzLnsg"}');
INSERT INTO "orchestration_events" VALUES(10,'01k8nj6t9bhj2febsr78tich','thread','opening-hours',9,'thread.activity-appended','2026-03-01T09:00:08.000Z','readme-09',NULL,NULL,'provider','{"threadId":"opening-hours","activity":{"id":"approval-1","tone":"approval","kind":"approval.requested","summary":"Write hours.txt?","payload":{"requestId":"request-1","requestKind":"write"},"turnId":"turn-1","createdAt":"2026-03-01T09:00:08.000Z"},"createdAt":"2026-03-01T09:00:08.000Z"}','{"commandFingerprint":"SINLMTrUKg2PWqWiaAomyw"}');
INSERT INTO "orchestration_events" VALUES(11,'01k8nj6t9ecid9b0u1fv4sjq','thread','opening-hours',10,'thread.approval-response-requested','2026-03-01T09:00:09.000Z','readme-10',NULL,'readme-10','client','{"threadId":"opening-hours","requestId":"request-1","decision":"accept","createdAt":"2026-03-01T09:00:09.000Z"}','{"commandFingerprint":"gUjEEn1gW6RkI6Cik3bXlA"}');
INSERT INTO "orchestration_events" VALUES(12,'01k8nj6t9rfgp62169ph4tfb','thread','opening-hours',11,'thread.activity-appended','2026-03-01T09:00:10.000Z','readme-11',NULL,NULL,'provider','{"threadId":"opening-hours","activity":{"id":"approval-2","tone":"approval","kind":"approval.resolved","summary":"Write hours.txt: accept","payload":{"requestId":"request-1","decision":"accept"},"turnId":"turn-1","createdAt":"2026-03-01T09:00:10.000Z"},"createdAt":"2026-03-01T09:00:10.000Z"}','{"commandFingerprint":"gpHQyLEjDCQxT0aciYOVVg"}');
INSERT INTO "orchestration_events" VALUES(13,'01k8nj6t9uep9r1hdqj42v5s','thread','opening-hours',12,'thread.activity-appended','2026-03-01T09:00:11.000Z','readme-12',NULL,NULL,'provider','{"threadId":"opening-hours","activity":{"id":"tool-1-end","tone":"tool","kind":"tool.completed","summary":"edited hours.txt","payload":{"path":"hours.txt"},"turnId":"turn-1","createdAt":"2026-03-01T09:00:11.000Z"},"createdAt":"2026-03-01T09:00:11.000Z"}','{"commandFingerprint":"SOmctInnUiMadjfwiySKPg"}');
INSERT INTO "orchestration_events" VALUES(14,'01k8nj6ta056flipd09rn10j','thread','opening-hours',13,'thread.message-sent','2026-03-01T09:00:12.000Z','readme-13',NULL,NULL,'provider','{"threadId":"opening-hours","messageId":"answer-1","role":"assistant","text":"the sign.","turnId":"turn-1","streaming":true,"createdAt":"2026-03-01T09:00:12.000Z","updatedAt":"2026-03-01T09:00:12.000Z"}','{"commandFingerprint":"iya3TA3fZ8_qMCUc3BabFg"}');
INSERT INTO "orchestration_events" VALUES(15,'01k8nj6ta4hrdpavo70ojbgc','thread','opening-hours',14,'thread.message-sent','2026-03-01T09:00:13.000Z','readme-14',NULL,NULL,'provider','{"threadId":"opening-hours","messageId":"answer-1","role":"assistant","text":"","turnId":"turn-1","streaming":false,"createdAt":"2026-03-01T09:00:13.000Z","updatedAt":"2026-03-01T09:00:13.000Z"}','{"commandFingerprint":"-95IMBYWVzXiUilky6vncQ"}');
INSERT INTO "orchestration_events" VALUES(16,'01k8nj6ta6spm0k1583bi48b','thread','opening-hours',15,'thread.session-set','2026-03-01T09:00:14.000Z','readme-15',NULL,NULL,'provider','{"threadId":"opening-hours","session":{"threadId":"opening-hours","status":"ready","providerName":"rehearsal","providerSessionId":"session-1","providerThreadId":"agent-thread-1","activeTurnId":null,"lastError":null,"updatedAt":"2026-03-01T09:00:14.000Z"},"createdAt":"2026-03-01T09:00:14.000Z"}','{"commandFingerprint":"XpY0P8cwpNas2bQI7YsCWw"}');
INSERT INTO "orchestration_events" VALUES(17,'01k8nj6tacs3rra784m41uos','thread','opening-hours',16,'thread.turn-diff-completed','2026-03-01T09:00:15.000Z','readme-16',NULL,NULL,'provider','{"threadId":"opening-hours","turnId":"turn-1","checkpointTurnCount":1,"checkpointRef":"refs/orchestrion/opening-hours/1","status":"ready","files":[{"path":"hours.txt","kind":"modified","additions":1,"deletions":0}],"assistantMessageId":"answer-1","completedAt":"2026-03-01T09:00:15.000Z","createdAt":"2026-03-01T09:00:15.000Z"}','{"commandFingerprint":"y2JlMEfyumGebwK46IG_Zg"}');
INSERT INTO "orchestration_events" VALUES(18,'01k8nj6tafcq018sm9q1qqds','thread','opening-hours',17,'thread.message-sent','2026-03-01T09:00:16.000Z','readme-17',NULL,'readme-17','client','{"threadId":"opening-hours","messageId":"ask-2","role":"user","text":"Close again on Sundays.","turnId":null,"streaming":false,"createdAt":"2026-03-01T09:00:16.000Z","updatedAt":"2026-03-01T09:00:16.000Z","attachments":[]}','{"commandFingerprint":"LGws9K-vqL8ldCMKnlGIcw"}');
INSERT INTO "orchestration_events" VALUES(19,'01k8nj6tafk2t5oujqvok55o','thread','opening-hours',18,'thread.turn-start-requested','2026-03-01T09:00:16.000Z','readme-17','01k8nj6tafcq018sm9q1qqds','readme-17','client','{"threadId":"opening-hours","turnId":"01k8nj6tafluut7ihdp8id2m","messageId":"ask-2","createdAt":"2026-03-01T09:00:16.000Z","model":"large"}','{}');
INSERT INTO "orchestration_events" VALUES(20,'01k8nj6taj8id1l40c8ki1n9','thread','opening-hours',19,'thread.session-set','2026-03-01T09:00:17.000Z','readme-18','01k8nj6tafk2t5oujqvok55o','readme-17','provider','{"threadId":"opening-hours","session":{"threadId":"opening-hours","status":"running","providerName":"rehearsal","providerSessionId":"session-1","providerThreadId":"agent-thread-1","activeTurnId":"turn-2","lastError":null,"updatedAt":"2026-03-01T09:00:17.000Z"},"createdAt":"2026-03-01T09:00:17.000Z","turn":{"turnCount":2,"userMessageId":"ask-2","startedAt":"2026-03-01T09:00:17.000Z"}}','{"commandFingerprint":"VZv19toIg40W7-lIiUJOsw"}');
INSERT INTO "orchestration_events" VALUES(21,'01k8nj6tam1vt8sms8vcupck','thread','opening-hours',20,'thread.activity-appended','2026-03-01T09:00:18.000Z','readme-19',NULL,NULL,'provider','{"threadId":"opening-hours","activity":{"id":"note-1","tone":"info","kind":"plan.updated","summary":"one step","payload":{},"turnId":null,"createdAt":"2026-03-01T09:00:18.000Z"},"createdAt":"2026-03-01T09:00:18.000Z"}','{"commandFingerprint":"zGHsouJmtdjCfrhNbu52JQ"}');
INSERT INTO "orchestration_events" VALUES(22,'01k8nj6tao8ajkla243ufecu','thread','opening-hours',21,'thread.message-sent','2026-03-01T09:00:19.000Z','readme-20',NULL,NULL,'provider','{"threadId":"opening-hours","messageId":"answer-2","role":"assistant","text":"Done.","turnId":"turn-2","streaming":true,"createdAt":"2026-03-01T09:00:19.000Z","updatedAt":"2026-03-01T09:00:19.000Z"}','{"commandFingerprint":"vrjjlh35NlN2sNDkZ9R7Fg"}');
INSERT INTO "orchestration_events" VALUES(23,'01k8nj6taqcuavoab8a5a4nv','thread','opening-hours',22,'thread.message-sent','2026-03-01T09:00:20.000Z','readme-21',NULL,NULL,'provider','{"threadId":"opening-hours","messageId":"answer-2","role":"assistant","text":"","turnId":"turn-2","streaming":false,"createdAt":"2026-03-01T09:00:20.000Z","updatedAt":"2026-03-01T09:00:20.000Z"}','{"commandFingerprint":"FOeF6XbZF3jDyoDdrgNuhQ"}');
INSERT INTO "orchestration_events" VALUES(24,'01k8nj6tarkk5d0ubvmh202i','thread','opening-hours',23,'thread.session-set','2026-03-01T09:00:21.000Z','readme-22',NULL,NULL,'provider','{"threadId":"opening-hours","session":{"threadId":"opening-hours","status":"ready","providerName":"rehearsal","providerSessionId":"session-1","providerThreadId":"agent-thread-1","activeTurnId":null,"lastError":null,"updatedAt":"2026-03-01T09:00:21.000Z"},"createdAt":"2026-03-01T09:00:21.000Z"}','{"commandFingerprint":"-uLyFN1xL5-ipbQYhsLFyg"}');
INSERT INTO "orchestration_events" VALUES(25,'01k8nj6tasqlpnhbnfcquh5g','thread','opening-hours',24,'thread.turn-diff-completed','2026-03-01T09:00:22.000Z','readme-23',NULL,NULL,'provider','{"threadId":"opening-hours","turnId":"turn-2","checkpointTurnCount":2,"checkpointRef":"refs/orchestrion/opening-hours/2","status":"ready","files":[{"path":"hours.txt","kind":"modified","additions":0,"deletions":1}],"assistantMessageId":"answer-2","completedAt":"2026-03-01T09:00:22.000Z","createdAt":"2026-03-01T09:00:22.000Z"}','{"commandFingerprint":"lKZqa-ah-utLW7l28Qo0XQ"}');
INSERT INTO "orchestration_events" VALUES(26,'01k8nj6tauu23pp93gouf592','thread','opening-hours',25,'thread.checkpoint-revert-requested','2026-03-01T09:00:23.000Z','readme-24',NULL,'readme-24','client','{"threadId":"opening-hours","turnCount":1,"createdAt":"2026-03-01T09:00:23.000Z"}','{"commandFingerprint":"HtHyicDSyN782z4TgEz0VA"}');
INSERT INTO "orchestration_events" VALUES(27,'01k8nj6tb0p7hpseslsurlva','thread','opening-hours',26,'thread.reverted','2026-03-01T09:00:24.000Z','readme-25','01k8nj6tauu23pp93gouf592','readme-24','provider','{"threadId":"opening-hours","turnCount":1,"removedTurnIds":["turn-2"],"removedMessageIds":["ask-2","answer-2"],"latestTurnId":"turn-1","createdAt":"2026-03-01T09:00:24.000Z"}','{"commandFingerprint":"NHuyxf9uxvkq8UtqUGLMKg"}');
INSERT INTO "orchestration_events" VALUES(28,'01k8nj6tb6moidu80ash7aqk','thread','price-list',1,'thread.created','2026-03-01T09:00:25.000Z','readme-26',NULL,'readme-26','client','{"threadId":"price-list","projectId":"bakery","title":"Price list","model":"large","branch":null,"worktreePath":"/srv/price-list","createdAt":"2026-03-01T09:00:25.000Z","updatedAt":"2026-03-01T09:00:25.000Z"}','{"commandFingerprint":"HQk8VpQfwIxoAcFHqnZ0cw"}');
INSERT INTO "orchestration_events" VALUES(29,'01k8nj6tb9tj74s050h5h504','thread','price-list',2,'thread.message-sent','2026-03-01T09:00:26.000Z','readme-27',NULL,'readme-27','client','{"threadId":"price-list","messageId":"ask-3","role":"user","text":"Raise the price of bread.","turnId":null,"streaming":false,"createdAt":"2026-03-01T09:00:26.000Z","updatedAt":"2026-03-01T09:00:26.000Z","attachments":[]}','{"commandFingerprint":"Rwnph2gP3b0eBtYbmM_d3Q"}');
INSERT INTO "orchestration_events" VALUES(30,'01k8nj6tb93dihe3n0j0lrfp','thread','price-list',3,'thread.turn-start-requested','2026-03-01T09:00:26.000Z','readme-27','01k8nj6tb9tj74s050h5h504','readme-27','client','{"threadId":"price-list","turnId":"01k8nj6tb9tt8bnip0533blo","messageId":"ask-3","createdAt":"2026-03-01T09:00:26.000Z"}','{}');
INSERT INTO "orchestration_events" VALUES(31,'01k8nj6tbdt90s49hvdm7a25','thread','price-list',4,'thread.session-set','2026-03-01T09:00:27.000Z','readme-28','01k8nj6tb93dihe3n0j0lrfp','readme-27','provider','{"threadId":"price-list","session":{"threadId":"price-list","status":"running","providerName":"rehearsal","providerSessionId":"session-2","providerThreadId":"agent-thread-2","activeTurnId":"turn-3","lastError":null,"updatedAt":"2026-03-01T09:00:27.000Z"},"createdAt":"2026-03-01T09:00:27.000Z","turn":{"turnCount":1,"userMessageId":"ask-3","startedAt":"2026-03-01T09:00:27.000Z"}}','{"commandFingerprint":"_PpIpqPBbJk44t4tvnBzJw"}');
INSERT INTO "orchestration_events" VALUES(32,'01k8nj6tbf5d0ai2thdi391f','thread','price-list',5,'thread.message-sent','2026-03-01T09:00:28.000Z','readme-29',NULL,NULL,'provider','{"threadId":"price-list","messageId":"answer-3","role":"assistant","text":"Which ","turnId":"turn-3","streaming":true,"createdAt":"2026-03-01T09:00:28.000Z","updatedAt":"2026-03-01T09:00:28.000Z"}','{"commandFingerprint":"AX2HIan4FrPMB6bZ7purGA"}');
INSERT INTO "orchestration_events" VALUES(33,'01k8nj6tbhnhfdup1l36dci8','thread','price-list',6,'thread.activity-appended','2026-03-01T09:00:29.000Z','readme-30',NULL,NULL,'provider','{"threadId":"price-list","activity":{"id":"approval-3","tone":"approval","kind":"approval.requested","summary":"Read prices.csv?","payload":{"requestId":"request-2","requestKind":"read"},"turnId":"turn-3","createdAt":"2026-03-01T09:00:29.000Z"},"createdAt":"2026-03-01T09:00:29.000Z"}','{"commandFingerprint":"GEytgtP06MVlr9d10s7RaQ"}');
INSERT INTO "orchestration_events" VALUES(34,'01k8nj6tbj62gikjn0djv057','thread','price-list',7,'thread.message-sent','2026-03-01T09:00:30.000Z','readme-31',NULL,NULL,'provider','{"threadId":"price-list","messageId":"answer-3","role":"assistant","text":"bread?","turnId":"turn-3","streaming":true,"createdAt":"2026-03-01T09:00:30.000Z","updatedAt":"2026-03-01T09:00:30.000Z"}','{"commandFingerprint":"ySVKwxjhwxhzlS7kLivY6w"}');
INSERT INTO "orchestration_events" VALUES(35,'01k8nj6tbkacisnk9np09gjm','thread','price-list',8,'thread.message-sent','2026-03-01T09:00:31.000Z','readme-32',NULL,'readme-32','client','{"threadId":"price-list","messageId":"ask-4","role":"user","text":"And of rolls.","turnId":null,"streaming":false,"createdAt":"2026-03-01T09:00:31.000Z","updatedAt":"2026-03-01T09:00:31.000Z","attachments":[]}','{"commandFingerprint":"kVjES8BKkGQauZ-RvbNHUA"}');
INSERT INTO "orchestration_events" VALUES(36,'01k8nj6tbl2dbotasi2m3lm9','thread','price-list',9,'thread.turn-start-requested','2026-03-01T09:00:31.000Z','readme-32','01k8nj6tbkacisnk9np09gjm','readme-32','client','{"threadId":"price-list","turnId":"01k8nj6tbkjse3umkba8n94d","messageId":"ask-4","createdAt":"2026-03-01T09:00:31.000Z"}','{}');
INSERT INTO "orchestration_events" VALUES(37,'01k8nj6tbni34gukh7hdf6ak','project','garden',1,'project.created','2026-03-01T09:00:32.000Z','readme-33',NULL,'readme-33','client','{"projectId":"garden","title":"Garden","workspaceRoot":"/srv/garden","defaultModel":null,"scripts":[],"createdAt":"2026-03-01T09:00:32.000Z","updatedAt":"2026-03-01T09:00:32.000Z"}','{"commandFingerprint":"y5gBoXyOXlg1SLRjNao4hw"}');
INSERT INTO "orchestration_events" VALUES(38,'01k8nj6u3u4c60cj9n3b18he','thread','price-list',10,'thread.message-sent','2026-03-01T10:00:00.000Z','queued-1',NULL,'queued-1','client','{"threadId":"price-list","messageId":"queued-message-1","role":"user","text":"Round the prices.","turnId":null,"streaming":false,"createdAt":"2026-03-01T10:00:00.000Z","updatedAt":"2026-03-01T10:00:00.000Z","attachments":[]}','{"commandFingerprint":"5fFW4jnFeCgZtXzaTYzgwA"}');
INSERT INTO "orchestration_events" VALUES(39,'01k8nj6u3urq7f7u2jk9mv1d','thread','price-list',11,'thread.turn-start-requested','2026-03-01T10:00:00.000Z','queued-1','01k8nj6u3u4c60cj9n3b18he','queued-1','client','{"threadId":"price-list","turnId":"01k8nj6u3s22tm2inuh0878k","messageId":"queued-message-1","createdAt":"2026-03-01T10:00:00.000Z"}','{}');
CREATE TABLE orchestrion_migrations (
        version INTEGER NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "orchestrion_migrations" VALUES(1,'001_orchestration_events','ef3fe5d4890249ac89f84029d7779c78c48c19a1ac29bfcf1aa35199c7ad62cd','2026-12-01T01:23:51.138Z');
INSERT INTO "orchestrion_migrations" VALUES(2,'002_orchestration_command_receipts','b5a22eb459345a891909464468c74abf4479dc9f68f28194a93311b33ede2801','2026-12-01T01:23:51.138Z');
INSERT INTO "orchestrion_migrations" VALUES(3,'003_checkpoint_diff_blobs','d494fb766231a95dc0d44fee1710ee24ee49c6ad30ed15c374c1aa0c1988c71e','2026-12-01T01:23:51.138Z');
INSERT INTO "orchestrion_migrations" VALUES(4,'004_provider_session_runtime','bccd7c2e8b5fc57a970f263718251160b4560438a7beed3c3f6144541ccb8c74','2026-12-01T01:23:51.138Z');
INSERT INTO "orchestrion_migrations" VALUES(5,'005_projections','2b51ee11b5f991774cafbfed8aee8992c42030cf90f73b62c86d36d688209a01','2026-12-01T01:23:51.138Z');
CREATE TABLE orchestrion_projector_versions (
        projector TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL
    ) STRICT
    ;
INSERT INTO "orchestrion_projector_versions" VALUES('projection.projects',1);
INSERT INTO "orchestrion_projector_versions" VALUES('projection.threads',1);
INSERT INTO "orchestrion_projector_versions" VALUES('projection.thread-messages',1);
INSERT INTO "orchestrion_projector_versions" VALUES('projection.thread-activities',1);
INSERT INTO "orchestrion_projector_versions" VALUES('projection.thread-sessions',1);
INSERT INTO "orchestrion_projector_versions" VALUES('projection.thread-turns',1);
INSERT INTO "orchestrion_projector_versions" VALUES('projection.checkpoints',1);
INSERT INTO "orchestrion_projector_versions" VALUES('projection.pending-approvals',1);
CREATE TABLE projection_checkpoints (
        thread_id TEXT NOT NULL,
        turn_id TEXT NOT NULL,
        checkpoint_turn_count INTEGER NOT NULL
            CONSTRAINT ck_projection_checkpoints_checkpoint_turn_count CHECK (checkpoint_turn_count >= 0),
        checkpoint_ref TEXT NOT NULL,
        status TEXT NOT NULL
            CONSTRAINT ck_projection_checkpoints_status CHECK (status IN ('ready', 'missing', 'error')),
        files_json TEXT NOT NULL
            CONSTRAINT ck_projection_checkpoints_files_json CHECK (json_valid(files_json)),
        assistant_message_id TEXT,
        completed_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "projection_checkpoints" VALUES('opening-hours','turn-1',1,'refs/orchestrion/opening-hours/1','ready','[{"path":"hours.txt","kind":"modified","additions":1,"deletions":0}]','answer-1','2026-03-01T09:00:15.000Z');
CREATE TABLE projection_pending_approvals (
        request_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        turn_id TEXT,
        status TEXT NOT NULL
            CONSTRAINT ck_projection_pending_approvals_status CHECK (status IN ('pending', 'resolved')),
        decision TEXT
            CONSTRAINT ck_projection_pending_approvals_decision
            CHECK (decision IN ('accept', 'acceptForSession', 'decline', 'cancel')),
        created_at TEXT NOT NULL,
        resolved_at TEXT
    ) STRICT
    ;
INSERT INTO "projection_pending_approvals" VALUES('request-1','opening-hours','turn-1','resolved','accept','2026-03-01T09:00:08.000Z','2026-03-01T09:00:09.000Z');
INSERT INTO "projection_pending_approvals" VALUES('request-2','price-list','turn-3','pending',NULL,'2026-03-01T09:00:29.000Z',NULL);
CREATE TABLE projection_projects (
        project_id TEXT NOT NULL PRIMARY KEY,
        title TEXT NOT NULL,
        workspace_root TEXT NOT NULL,
        default_model TEXT,
        scripts_json TEXT NOT NULL
            CONSTRAINT ck_projection_projects_scripts_json CHECK (json_valid(scripts_json)),
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        deleted_at TEXT
    ) STRICT
    ;
INSERT INTO "projection_projects" VALUES('bakery','Bakery','/srv/bakery','small','[]','2026-03-01T09:00:01.000Z','2026-03-01T09:00:01.000Z',NULL);
INSERT INTO "projection_projects" VALUES('garden','Garden','/srv/garden',NULL,'[]','2026-03-01T09:00:32.000Z','2026-03-01T09:00:32.000Z',NULL);
CREATE TABLE projection_state (
        projector TEXT NOT NULL PRIMARY KEY,
        last_applied_sequence INTEGER NOT NULL
            CONSTRAINT ck_projection_state_last_applied_sequence CHECK (last_applied_sequence >= 0),
        updated_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "projection_state" VALUES('projection.projects',39,'2026-03-01T10:00:00.000Z');
INSERT INTO "projection_state" VALUES('projection.threads',39,'2026-03-01T10:00:00.000Z');
INSERT INTO "projection_state" VALUES('projection.thread-messages',39,'2026-03-01T10:00:00.000Z');
INSERT INTO "projection_state" VALUES('projection.thread-activities',39,'2026-03-01T10:00:00.000Z');
INSERT INTO "projection_state" VALUES('projection.thread-sessions',39,'2026-03-01T10:00:00.000Z');
INSERT INTO "projection_state" VALUES('projection.thread-turns',39,'2026-03-01T10:00:00.000Z');
INSERT INTO "projection_state" VALUES('projection.checkpoints',39,'2026-03-01T10:00:00.000Z');
INSERT INTO "projection_state" VALUES('projection.pending-approvals',39,'2026-03-01T10:00:00.000Z');
CREATE TABLE projection_thread_activities (
        activity_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        turn_id TEXT,
        tone TEXT NOT NULL
            CONSTRAINT ck_projection_thread_activities_tone
            CHECK (tone IN ('info', 'tool', 'approval', 'error')),
        kind TEXT NOT NULL,
        summary TEXT NOT NULL,
        payload_json TEXT NOT NULL
            CONSTRAINT ck_projection_thread_activities_payload_json CHECK (json_valid(payload_json)),
        created_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "projection_thread_activities" VALUES('tool-1','opening-hours','turn-1','tool','tool.started','edit hours.txt','{"path":"hours.txt"}','2026-03-01T09:00:07.000Z');
INSERT INTO "projection_thread_activities" VALUES('approval-1','opening-hours','turn-1','approval','approval.requested','Write hours.txt?','{"requestId":"request-1","requestKind":"write"}','2026-03-01T09:00:08.000Z');
INSERT INTO "projection_thread_activities" VALUES('approval-2','opening-hours','turn-1','approval','approval.resolved','Write hours.txt: accept','{"requestId":"request-1","decision":"accept"}','2026-03-01T09:00:10.000Z');
INSERT INTO "projection_thread_activities" VALUES('tool-1-end','opening-hours','turn-1','tool','tool.completed','edited hours.txt','{"path":"hours.txt"}','2026-03-01T09:00:11.000Z');
INSERT INTO "projection_thread_activities" VALUES('note-1','opening-hours',NULL,'info','plan.updated','one step','{}','2026-03-01T09:00:18.000Z');
INSERT INTO "projection_thread_activities" VALUES('approval-3','price-list','turn-3','approval','approval.requested','Read prices.csv?','{"requestId":"request-2","requestKind":"read"}','2026-03-01T09:00:29.000Z');
CREATE TABLE projection_thread_messages (
        message_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        turn_id TEXT,
        role TEXT NOT NULL
            CONSTRAINT ck_projection_thread_messages_role CHECK (role IN ('user', 'assistant', 'system')),
        text TEXT NOT NULL,
        is_streaming INTEGER NOT NULL
            CONSTRAINT ck_projection_thread_messages_is_streaming CHECK (is_streaming IN (0, 1)),
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "projection_thread_messages" VALUES('ask-1','opening-hours',NULL,'user','Open on Sundays.',0,'2026-03-01T09:00:03.000Z','2026-03-01T09:00:03.000Z');
INSERT INTO "projection_thread_messages" VALUES('answer-1','opening-hours','turn-1','assistant','I change the sign.',0,'2026-03-01T09:00:06.000Z','2026-03-01T09:00:13.000Z');
INSERT INTO "projection_thread_messages" VALUES('ask-3','price-list',NULL,'user','Raise the price of bread.',0,'2026-03-01T09:00:26.000Z','2026-03-01T09:00:26.000Z');
INSERT INTO "projection_thread_messages" VALUES('answer-3','price-list','turn-3','assistant','Which bread?',1,'2026-03-01T09:00:28.000Z','2026-03-01T09:00:30.000Z');
INSERT INTO "projection_thread_messages" VALUES('ask-4','price-list',NULL,'user','And of rolls.',0,'2026-03-01T09:00:31.000Z','2026-03-01T09:00:31.000Z');
INSERT INTO "projection_thread_messages" VALUES('queued-message-1','price-list',NULL,'user','Round the prices.',0,'2026-03-01T10:00:00.000Z','2026-03-01T10:00:00.000Z');
CREATE TABLE projection_thread_sessions (
        thread_id TEXT NOT NULL PRIMARY KEY,
        status TEXT NOT NULL
            CONSTRAINT ck_projection_thread_sessions_status
            CHECK (status IN ('idle', 'starting', 'running', 'ready', 'interrupted', 'stopped', 'error')),
        provider_name TEXT,
        provider_session_id TEXT,
        provider_thread_id TEXT,
        active_turn_id TEXT,
        last_error TEXT,
        updated_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "projection_thread_sessions" VALUES('opening-hours','ready','rehearsal','session-1','agent-thread-1',NULL,NULL,'2026-03-01T09:00:21.000Z');
INSERT INTO "projection_thread_sessions" VALUES('price-list','running','rehearsal','session-2','agent-thread-2','turn-3',NULL,'2026-03-01T09:00:27.000Z');
CREATE TABLE projection_thread_turns (
        turn_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        turn_count INTEGER NOT NULL
            CONSTRAINT ck_projection_thread_turns_turn_count CHECK (turn_count >= 0),
        status TEXT NOT NULL
            CONSTRAINT ck_projection_thread_turns_status
            CHECK (status IN ('running', 'completed', 'interrupted', 'error')),
        user_message_id TEXT,
        assistant_message_id TEXT,
        started_at TEXT NOT NULL,
        completed_at TEXT
    ) STRICT
    ;
INSERT INTO "projection_thread_turns" VALUES('turn-1','opening-hours',1,'completed','ask-1','answer-1','2026-03-01T09:00:05.000Z','2026-03-01T09:00:14.000Z');
INSERT INTO "projection_thread_turns" VALUES('turn-3','price-list',1,'running','ask-3','answer-3','2026-03-01T09:00:27.000Z',NULL);
CREATE TABLE projection_threads (
        thread_id TEXT NOT NULL PRIMARY KEY,
        project_id TEXT NOT NULL,
        title TEXT NOT NULL,
        model TEXT NOT NULL,
        branch TEXT,
        worktree_path TEXT,
        latest_turn_id TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        deleted_at TEXT
    ) STRICT
    ;
INSERT INTO "projection_threads" VALUES('opening-hours','bakery','Opening hours','small','opening-hours',NULL,'turn-1','2026-03-01T09:00:02.000Z','2026-03-01T09:00:24.000Z',NULL);
INSERT INTO "projection_threads" VALUES('price-list','bakery','Price list','large',NULL,'/srv/price-list','turn-3','2026-03-01T09:00:25.000Z','2026-03-01T10:00:00.000Z',NULL);
CREATE TABLE provider_session_runtime (
        provider_session_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        provider_name TEXT NOT NULL,
        adapter_key TEXT NOT NULL,
        provider_thread_id TEXT,
        status TEXT NOT NULL
            CONSTRAINT ck_provider_session_runtime_status
            CHECK (status IN ('starting', 'running', 'stopped', 'error')),
        last_seen_at TEXT NOT NULL,
        resume_cursor_json TEXT
            CONSTRAINT ck_provider_session_runtime_resume_cursor_json
            CHECK (resume_cursor_json IS NULL OR json_valid(resume_cursor_json)),
        runtime_payload_json TEXT
            CONSTRAINT ck_provider_session_runtime_runtime_payload_json
            CHECK (runtime_payload_json IS NULL OR json_valid(runtime_payload_json))
    ) STRICT
    ;
CREATE UNIQUE INDEX orchestration_events_event_id ON orchestration_events (event_id)
    ;
CREATE UNIQUE INDEX orchestration_events_aggregate_kind_stream_id_stream_version
        ON orchestration_events (aggregate_kind, stream_id, stream_version)
    ;
CREATE INDEX orchestration_events_aggregate_kind_stream_id_sequence
        ON orchestration_events (aggregate_kind, stream_id, sequence)
    ;
CREATE INDEX orchestration_events_command_id ON orchestration_events (command_id)
    ;
CREATE INDEX orchestration_events_correlation_id ON orchestration_events (correlation_id)
    ;
CREATE INDEX orchestration_events_intents ON orchestration_events (sequence)
        WHERE (event_type IN (
            'thread.turn-start-requested',
            'thread.turn-interrupt-requested',
            'thread.approval-response-requested',
            'thread.checkpoint-revert-requested',
            'thread.session-stop-requested'
        ))
    ;
CREATE INDEX orchestration_events_thread_intents ON orchestration_events (stream_id, sequence)
        WHERE (event_type IN (
            'thread.turn-start-requested',
            'thread.turn-interrupt-requested',
            'thread.approval-response-requested',
            'thread.checkpoint-revert-requested',
            'thread.session-stop-requested'
        ))
    ;
CREATE INDEX orchestration_events_caused ON orchestration_events (causation_event_id)
        WHERE (causation_event_id IS NOT NULL)
    ;
CREATE INDEX orchestration_command_receipts_aggregate_kind_aggregate_id
        ON orchestration_command_receipts (aggregate_kind, aggregate_id)
    ;
CREATE INDEX orchestration_command_receipts_result_sequence
        ON orchestration_command_receipts (result_sequence)
    ;
CREATE UNIQUE INDEX checkpoint_diff_blobs_thread_id_from_turn_count_to_turn_count
        ON checkpoint_diff_blobs (thread_id, from_turn_count, to_turn_count)
    ;
CREATE INDEX checkpoint_diff_blobs_thread_id_to_turn_count
        ON checkpoint_diff_blobs (thread_id, to_turn_count)
    ;
CREATE INDEX provider_session_runtime_thread_id ON provider_session_runtime (thread_id)
    ;
CREATE INDEX provider_session_runtime_status ON provider_session_runtime (status)
    ;
CREATE INDEX provider_session_runtime_provider_name ON provider_session_runtime (provider_name)
    ;
CREATE INDEX provider_session_runtime_live ON provider_session_runtime (thread_id)
        WHERE (status IN ('starting', 'running'))
    ;
CREATE INDEX projection_projects_updated_at ON projection_projects (updated_at)
    ;
CREATE INDEX projection_threads_project_id ON projection_threads (project_id)
    ;
CREATE INDEX projection_thread_messages_thread_id_created_at
        ON projection_thread_messages (thread_id, created_at)
    ;
CREATE INDEX projection_thread_messages_streaming ON projection_thread_messages (thread_id)
        WHERE (is_streaming = 1)
    ;
CREATE INDEX projection_thread_activities_thread_id_created_at
        ON projection_thread_activities (thread_id, created_at)
    ;
CREATE INDEX projection_thread_sessions_provider_session_id
        ON projection_thread_sessions (provider_session_id)
    ;
CREATE UNIQUE INDEX projection_thread_turns_thread_id_turn_count
        ON projection_thread_turns (thread_id, turn_count)
    ;
CREATE INDEX projection_thread_turns_running ON projection_thread_turns (thread_id)
        WHERE (status = 'running')
    ;
CREATE UNIQUE INDEX projection_checkpoints_thread_id_checkpoint_turn_count
        ON projection_checkpoints (thread_id, checkpoint_turn_count)
    ;
CREATE INDEX projection_checkpoints_thread_id_completed_at
        ON projection_checkpoints (thread_id, completed_at)
    ;
CREATE INDEX projection_pending_approvals_thread_id_status
        ON projection_pending_approvals (thread_id, status)
    ;
CREATE INDEX projection_pending_approvals_pending ON projection_pending_approvals (thread_id)
        WHERE (status = 'pending')
    ;
COMMIT;