"""The product as the panel's routes are given it: core's services, tied together over what was chosen for them."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.service import AccessService
from innkeeper.core.accounts.passwords import PasswordHasher
from innkeeper.core.accounts.second_factors import OneTimeCodes, Sealer
from innkeeper.core.accounts.service import AccountService
from innkeeper.core.accounts.tokens import TokenSigner
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.backups.copying import Copying
from innkeeper.core.backups.noting import BackupNotes
from innkeeper.core.backups.service import BackupService
from innkeeper.core.backups.stores import BackupStores
from innkeeper.core.backups.verifying import Verifying
from innkeeper.core.billing.announcing import Announcements
from innkeeper.core.billing.collector import Collector
from innkeeper.core.billing.directory import BillingDirectory
from innkeeper.core.billing.meters import Meters
from innkeeper.core.billing.rent_collector import RentCollector
from innkeeper.core.billing.rentals import Rentals
from innkeeper.core.billing.service import BillingService
from innkeeper.core.catalog.offers import Offers
from innkeeper.core.catalog.selling import Selling
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.catalog.versions import Vendors
from innkeeper.core.console.hub import ConsoleHub
from innkeeper.core.console.log_files import LogFiles
from innkeeper.core.console.service import ConsoleService
from innkeeper.core.console.sharing import LogSharing, LogUploader
from innkeeper.core.files.configs import ConfigService
from innkeeper.core.files.imports import ImportService
from innkeeper.core.files.service import FileService
from innkeeper.core.house.directory import HouseDirectory
from innkeeper.core.house.service import HouseService
from innkeeper.core.metrics.service import MetricService
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.regions import Regions
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.operations.service import OperationService
from innkeeper.core.players.profiles import Profiles
from innkeeper.core.players.service import PlayerListService
from innkeeper.core.schedules.acts import Acts
from innkeeper.core.schedules.calendar import Calendar, CronTimes
from innkeeper.core.schedules.running import ScheduleRunner
from innkeeper.core.schedules.service import ScheduleService
from innkeeper.core.schedules.timetable import Timetable
from innkeeper.core.servers.attention import LookParts
from innkeeper.core.servers.deleting import Deleting
from innkeeper.core.servers.deploying import Deploying
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.servers.holding import Holds
from innkeeper.core.servers.idling import IdleStops
from innkeeper.core.servers.management import ManagementService
from innkeeper.core.servers.reconcile import Reconciler
from innkeeper.core.servers.service import ServerService
from innkeeper.core.webhooks.model import Courier
from innkeeper.core.webhooks.noting import Happenings
from innkeeper.core.webhooks.queue import DeliveryQueue
from innkeeper.core.webhooks.service import WebhookService
from innkeeper.core.work import Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.tasks import TaskSet


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the administrator of this installation chose about how it presents itself."""

    server_domain: str = "innkeeper.local"
    """Appended to a server's name where a dialect shows an address of that form."""
    show_port_while_offline: bool = False
    """Dialects that hide the port of a stopped server show it all the same."""
    deletion_grace: timedelta = timedelta(0)
    """For how long a deleted server is kept, so that it can be brought back; 0: not at all."""
    most_grants: int = 25
    """With how many accounts a server may be shared."""
    most_servers: int | None = None
    """How many servers an account may own that says nothing else and is no superuser's; None: any number."""
    most_backups: int = 100
    """How many backups of one server are kept at most."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """What is kept in memory, with the services that stand on it and on storage alone."""

    house: HouseDirectory
    directory: ServerDirectory
    authority: AccessDirectory
    activity: ActivityService
    credits: BillingDirectory
    meters: Meters
    operations: OperationService
    backups: BackupNotes
    nodes: NodeService
    happenings: Happenings

    @classmethod
    def over(cls, works: Works, clock: Clock) -> Self:
        """Return them, empty until they are loaded."""
        house = HouseDirectory(works)
        directory, activity = ServerDirectory(works), ActivityService(works, clock, house)
        nodes = NodeService(works=works, clock=clock, servers=directory, activity=activity)
        credits, operations = BillingDirectory(works), OperationService(works, clock)
        return cls(
            house=house,
            directory=directory,
            authority=AccessDirectory(works, clock),
            activity=activity,
            operations=operations,
            backups=BackupNotes(clock, operations, activity),
            credits=credits,
            meters=Meters(works=works, clock=clock, directory=credits, servers=directory, nodes=nodes),
            nodes=nodes,
            happenings=Happenings(works, clock),
        )

    def reconciler(
        self, *, works: Works, clock: Clock, catalog: Catalog, gateway: NodeGateway, tasks: TaskSet
    ) -> Reconciler:
        """Return what makes nodes do what was decided, over these models."""
        return Reconciler(
            works=works,
            clock=clock,
            directory=self.directory,
            catalog=catalog,
            nodes=self.nodes,
            gateway=gateway,
            operations=self.operations,
            activity=self.activity,
            meters=self.meters,
            tasks=tasks,
            house=self.house,
            happenings=self.happenings,
            backups=self.backups,
        )


@dataclass(frozen=True, kw_only=True)
class Product:
    """Everything that can be asked."""

    clock: Clock
    settings: Settings
    secret: bytes
    """The installation's own key, from which foreign ids are derived."""
    authority: AccessDirectory
    access: AccessService
    accounts: AccountService
    activity: ActivityService
    backups: BackupService
    backup_stores: BackupStores
    billing: BillingService
    catalog: Catalog
    collector: Collector
    configs: ConfigService
    console: ConsoleService
    deleting: Deleting
    directory: ServerDirectory
    files: FileService
    imports: ImportService
    happenings: Happenings
    house: HouseService
    idling: IdleStops
    log_files: LogFiles
    management: ManagementService
    metrics: MetricService
    nodes: NodeService
    offers: Offers
    operations: OperationService
    players: PlayerListService
    regions: Regions
    rent_collector: RentCollector
    rentals: Rentals
    schedules: ScheduleService
    selling: Selling
    servers: ServerService
    sharing: LogSharing
    verifying: Verifying
    webhooks: WebhookService

    @classmethod
    def over(
        cls,
        models: Models,
        *,
        works: Works,
        clock: Clock,
        settings: Settings,
        secret: bytes,
        catalog: Catalog,
        gateway: NodeGateway,
        hasher: PasswordHasher,
        cron: CronTimes,
        tasks: TaskSet,
        signer: TokenSigner,
        codes: OneTimeCodes,
        sealer: Sealer,
        reconciler: Reconciler,
        courier: Courier,
        profiles: Profiles | None = None,
        uploader: LogUploader | None = None,
        vendors: Vendors | None = None,
    ) -> Self:
        """Return the whole product over its models and what was chosen for it."""
        directory, authority, activity = models.directory, models.authority, models.activity
        offers = Offers(works, clock, catalog, vendors, spread=random.random)
        looks = LookParts(gateway=gateway, servers=directory, rights=authority, clock=clock)
        holds = Holds(directory)
        selling = Selling(works=works, clock=clock, catalog=catalog, activity=activity)
        rentals = Rentals(works=works, clock=clock, directory=models.credits, activity=activity, plan_of=selling.get)
        announcements = Announcements(catalog=catalog, gateway=gateway)
        timetable = Timetable(Calendar(cron), clock)
        deleting = Deleting(
            works=works,
            clock=clock,
            directory=directory,
            holds=holds,
            nodes=models.nodes,
            operations=models.operations,
            activity=activity,
            reconciler=reconciler,
            closing=(rentals.close, models.meters.close, timetable.close),
            reopening=(rentals.reopen, timetable.reopen),
            grace=settings.deletion_grace,
        )
        regions = Regions(works=works, selling=selling, nodes=models.nodes, activity=activity)
        deploying = Deploying(
            works=works,
            clock=clock,
            catalog=catalog,
            offers=offers,
            selling=selling,
            regions=regions,
            nodes=models.nodes,
            gateway=gateway,
            operations=models.operations,
            activity=activity,
            reconciler=reconciler,
            opening=(rentals.open,),
            account_id=authority.id_of,
            most_servers=settings.most_servers,
        )
        servers = ServerService(
            works=works,
            directory=directory,
            catalog=catalog,
            nodes=models.nodes,
            gateway=gateway,
            operations=models.operations,
            activity=activity,
            reconciler=reconciler,
            meters=models.meters,
            holds=holds,
            deploying=deploying,
            deleting=deleting,
        )
        billing = BillingService(
            works=works,
            clock=clock,
            directory=models.credits,
            servers=directory,
            meters=models.meters,
            activity=activity,
            tell=reconciler.tell,
        )
        configs = ConfigService(
            works=works,
            gateway=gateway,
            directory=directory,
            servers=servers,
            catalog=catalog,
            activity=activity,
            reconciler=reconciler,
        )
        console = ConsoleService(
            works=works,
            gateway=gateway,
            hub=ConsoleHub(gateway),
            servers=directory,
            activity=activity,
            happenings=models.happenings,
            clock=clock,
            tasks=tasks,
        )
        backups = BackupService(
            works=works,
            clock=clock,
            gateway=gateway,
            rights=authority,
            directory=directory,
            nodes=models.nodes,
            holds=holds,
            operations=models.operations,
            activity=activity,
            selling=selling,
            notes=models.backups,
            reconciler=reconciler,
            copying=Copying(works=works, deploying=deploying, operations=models.operations, nodes=models.nodes),
            most_backups=settings.most_backups,
        )
        verifying = Verifying(works=works, directory=directory, activity=activity, reconciler=reconciler)
        acts = Acts(servers=servers, console=console, backups=backups, verifying=verifying)
        return cls(
            clock=clock,
            settings=settings,
            secret=secret,
            authority=authority,
            access=AccessService(
                works=works,
                clock=clock,
                directory=authority,
                servers=directory,
                activity=activity,
                most_grants=settings.most_grants,
            ),
            accounts=AccountService(
                works=works,
                clock=clock,
                hasher=hasher,
                signer=signer,
                codes=codes,
                sealer=sealer,
                access=authority,
                servers=directory,
                activity=activity,
                closing=billing.close_account,
                house=models.house,
            ),
            activity=activity,
            backups=backups,
            backup_stores=BackupStores(works=works, gateway=gateway, nodes=models.nodes, activity=activity),
            billing=billing,
            catalog=catalog,
            collector=Collector(
                works=works,
                directory=models.credits,
                meters=models.meters,
                servers=directory,
                commands=servers,
                activity=activity,
                announcements=announcements,
            ),
            configs=configs,
            console=console,
            deleting=deleting,
            directory=directory,
            files=FileService(
                works=works,
                gateway=gateway,
                access=authority,
                servers=directory,
                activity=activity,
                on_written=configs.follow,
                house=models.house,
            ),
            happenings=models.happenings,
            imports=ImportService(gateway=gateway, nodes=models.nodes),
            house=HouseService(works=works, directory=models.house, activity=activity),
            idling=IdleStops(
                works=works,
                clock=clock,
                directory=directory,
                servers=servers,
                activity=activity,
                reconciler=reconciler,
            ),
            log_files=LogFiles(gateway=gateway, servers=directory, catalog=catalog),
            management=ManagementService(works=works, activity=activity, looks=looks),
            metrics=MetricService(works=works, looks=looks, house=models.house),
            nodes=models.nodes,
            offers=offers,
            operations=models.operations,
            players=PlayerListService(
                works=works,
                gateway=gateway,
                servers=directory,
                catalog=catalog,
                activity=activity,
                profiles=profiles,
            ),
            regions=regions,
            rent_collector=RentCollector(
                clock=clock, rentals=rentals, servers=directory, commands=servers, announcements=announcements
            ),
            rentals=rentals,
            schedules=ScheduleService(
                works=works,
                clock=clock,
                directory=directory,
                activity=activity,
                timetable=timetable,
                acts=acts,
                runner=ScheduleRunner(
                    works=works,
                    clock=clock,
                    directory=directory,
                    actor_of=lambda account_id: authority.actor_of(account_id, "system"),
                    timetable=timetable,
                    acts=acts,
                    operations=models.operations,
                    activity=activity,
                    tasks=tasks,
                ),
            ),
            selling=selling,
            servers=servers,
            sharing=LogSharing(
                works=works, clock=clock, console=console, servers=directory, activity=activity, uploader=uploader
            ),
            verifying=verifying,
            webhooks=WebhookService(
                works=works,
                clock=clock,
                servers=directory,
                activity=activity,
                happenings=models.happenings,
                courier=courier,
                queue=DeliveryQueue(
                    works=works,
                    clock=clock,
                    servers=directory,
                    activity=activity,
                    courier=courier,
                    username_of=lambda account_id: getattr(authority.accounts.get(account_id), "username", ""),
                    spread=random.random,
                ),
            ),
        )
